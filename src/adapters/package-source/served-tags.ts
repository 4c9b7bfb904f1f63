import { matchesTagPatterns } from '#core/request/git-reference.ts'
import type { PinOutcome } from '#engine/ports/package-source.ts'

/**
 * Why a tag is not served although it may exist; `undefined` when it is. `latest` always is, every
 * other tag when it matches a pattern or there are none.
 */
export function refuseTag(
  allowed: readonly string[] | undefined,
  tag: string,
): Extract<PinOutcome, { kind: 'forbidden-tag' }> | undefined {
  if (tag === 'latest' || allowed === undefined || matchesTagPatterns(allowed, tag))
    return undefined
  return {
    kind: 'forbidden-tag',
    message: `the tag ${tag} is not served here: this registry serves ${['latest', ...allowed].join(', ')}`,
  }
}
