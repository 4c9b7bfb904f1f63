import { nearNames } from '#core/nix/near-names.ts'

/**
 * What Kubernetes and Docker's links tell a container of services beside it: one that is called
 * nixery, or nixery-<something>, gives variables that begin like settings. Nobody typed them.
 */
const serviceFacts =
  /^NIXERY_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const serviceAddress = /^(?:tcp|udp|sctp):\/\//

/** Of this project's own tests, which start services. */
const testPrefix = 'NIXERY_TEST_'

/**
 * The first variable that looks like a setting and is none, with the name that was meant: a slip of
 * the pen in NIXERY_ALLOW would serve everything.
 */
export function findUnknownVariable(
  environment: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): { readonly name: string; readonly near?: string } | undefined {
  const name = Object.keys(environment)
    .sort()
    .find((each) => isUnknown(each, environment[each], known))
  if (name === undefined) return undefined
  const near = nearestVariable(name, known)
  return { name, ...(near !== undefined && { near }) }
}

function isUnknown(name: string, value: string | undefined, known: readonly string[]): boolean {
  if (!name.startsWith('NIXERY_') || name.startsWith(testPrefix)) return false
  if (value === undefined || value === '' || known.includes(name)) return false
  const isService = name.endsWith('_PORT') && serviceAddress.test(value)
  return !isService && !serviceFacts.test(name)
}

/** Some names have another beginning or none: NIXERY_PORT means PORT. */
function nearestVariable(name: string, known: readonly string[]): string | undefined {
  const rest = name.slice('NIXERY_'.length)
  if (known.includes(rest)) return rest
  const [nearest] = nearNames(name, known)
  return known.find((each) => each.toLowerCase() === nearest)
}
