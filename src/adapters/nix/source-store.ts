import { parseSha256Hash, type Sha256Hex } from '#core/nix/sha256-hash.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { openNix, type NixOptions } from './nix.ts'

/** nixpkgs has fifty thousand files; a slow disk takes minutes. */
const addTimeoutMs = 15 * 60_000

/**
 * Copies a file or directory into the store under its own base name, where evaluation finds it
 * again without reading it, and says what its content is.
 */
export type AddSource = (path: string, signal: AbortSignal) => Promise<Sha256Hex>

/** The store as a place for the sources of package sets. */
export async function openSourceStore(options: NixOptions): Promise<AddSource> {
  const nix = await openNix(options)
  const query = async (args: readonly string[], signal: AbortSignal) => {
    const call = { command: 'nix-store', args, timeoutMs: addTimeoutMs } as const
    return (await nix.query({ ...call, stdoutLimitBytes: 64 * 1024 }, signal)).trim()
  }
  return async (path, signal) => {
    const added = await query(['--add-fixed', '--recursive', 'sha256', path], signal)
    const printed = await query(['--query', '--hash', added], signal)
    const hash = parseSha256Hash(printed)
    if (hash === undefined) {
      throw new OperatingError('NIX_FAILED', `nix-store --query --hash printed "${printed}"`)
    }
    return hash
  }
}
