import { formatOneLine } from '../text/one-line.ts'

/** What keeps a package from being served: the operator's policy, or its platform. */
export type RefusalReason = 'unfree' | 'broken' | 'insecure' | 'unsupported-system'

/**
 * One line that says which setting would allow a package, or where it runs. `details` are what the
 * package set says: licences, the name and its vulnerabilities, or platforms.
 */
export function formatRefusal(reason: RefusalReason, details: readonly string[]): string {
  return formatOneLine(describe(reason, details))
}

function describe(reason: RefusalReason, details: readonly string[]): string {
  switch (reason) {
    case 'unfree':
      return `NIXERY_ALLOW_UNFREE is not on${inBrackets(details)}`
    case 'broken':
      return `NIXERY_ALLOW_BROKEN is not on${inBrackets(details)}`
    case 'insecure':
      return `NIXERY_ALLOW_INSECURE does not list ${details[0] ?? 'it'}${inBrackets(details.slice(1))}`
    case 'unsupported-system':
      return details.length === 0
        ? 'its package set does not support it there'
        : `it is for ${details.join(', ')}`
  }
}

function inBrackets(details: readonly string[]): string {
  return details.length === 0 ? '' : ` (${details.join(', ')})`
}
