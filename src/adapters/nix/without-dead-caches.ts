import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { OperatingError } from '#engine/operating-error.ts'
import type { Nix } from './nix.ts'

/**
 * Realises once more when a binary cache cannot be reached that Nix took for reachable: it remembers
 * for a week that one answered, and Nix 2.8 then gives up, or aborts, where it would go on without a
 * cache that does not answer from the start.
 */
export async function withoutDeadCaches<Outcome>(
  nix: Nix,
  realise: (nix: Nix) => Promise<Outcome>,
): Promise<Outcome> {
  try {
    return await realise(nix)
  } catch (error) {
    if (!wasRemembered(error)) throw error
  }
  await using directory = await mkdtempDisposable(join(tmpdir(), 'nixery-nix-cache-'))
  return await realise(nix.withCacheDirectory(directory.path))
}

/** Whoever fails at the first question was not remembered. */
function wasRemembered(error: unknown): boolean {
  return (
    error instanceof OperatingError &&
    error.code === 'CACHE_UNAVAILABLE' &&
    !error.message.includes('/nix-cache-info')
  )
}
