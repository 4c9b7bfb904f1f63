import { OperatingError } from './operating-error.ts'
import type { DerivationsGone } from './ports/package-builder.ts'

// A collection takes only what was there when it started, and starts rarely; one that works towards
// a size may do so in a few rounds.
const mostAttempts = 3

/**
 * Evaluates and realises as often as a collector of the Nix store comes between the two, within
 * reason: it says nothing about the packages.
 */
export async function evaluateAgain<Outcome extends { readonly kind: string }>(
  attempt: () => Promise<Outcome | DerivationsGone>,
): Promise<Outcome> {
  for (let count = 0; count < mostAttempts; count += 1) {
    const outcome = await attempt()
    if (!areGone(outcome)) return outcome
  }
  throw new OperatingError(
    'NIX_FAILED',
    `a garbage collector of the Nix store removed derivations ${mostAttempts} times before they were realised`,
  )
}

function areGone(outcome: { readonly kind: string }): outcome is DerivationsGone {
  return outcome.kind === 'derivations-gone'
}
