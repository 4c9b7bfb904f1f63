import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { RealiseOutcome } from '#engine/ports/package-builder.ts'
import { invalidPaths } from './invalid-paths.ts'
import type { Nix } from './nix.ts'
import type { StoreQuestions } from './store-questions.ts'

/**
 * Tells a failure for lack of derivations from others. Evaluation holds its derivations only for as
 * long as its process lives, so a collector that starts before realisation does may remove them. What
 * Nix then says depends on its version, its settings and the caches that it asks; that they are not in
 * the store does not.
 */
export async function unlessGone(
  nix: Nix,
  store: StoreQuestions,
  packages: readonly FoundPackage[],
  realise: () => Promise<RealiseOutcome>,
  signal: AbortSignal,
): Promise<RealiseOutcome> {
  const areGone = async () => {
    const derivations = packages.map(({ derivation }) => derivation)
    return (await invalidPaths(nix, store, derivations, signal)).size > 0
  }
  try {
    const outcome = await realise()
    return outcome.kind === 'build-failed' && (await areGone()) ? gone : outcome
  } catch (error) {
    // Where Nix cannot even say that, the first error counts.
    if (error instanceof OperatingError && (await areGone().catch(() => false))) return gone
    throw error
  }
}

const gone: RealiseOutcome = { kind: 'derivations-gone' }
