import { isIP } from 'node:net'

/**
 * Whether a request is meant for this service. A page of another site can have its own name resolved to
 * the address of the service (DNS rebinding), and is then of the same origin for browsers: the name in
 * `Host` is all that tells it apart. Nobody else's page has an address or `localhost` for a name.
 *
 * @param names in lower case; all names are the service's without them
 */
export function isOwnHost(
  host: string | undefined,
  names: ReadonlySet<string> | undefined,
): boolean {
  // Browsers always send it.
  if (names === undefined || host === undefined) return true
  const name = host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
  return name === 'localhost' || isIP(name) !== 0 || names.has(name)
}
