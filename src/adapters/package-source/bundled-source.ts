import {
  newestDebianPackageSet,
  prepareDebianPackageSet,
} from '#package-sets/debian/debian-package-set.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { PackageSource } from '#engine/ports/package-source.ts'
import { onlyLatest } from './only-latest.ts'

export interface BundledSourceOptions {
  readonly stateDirectory: string
  readonly mirror: { readonly main?: string; readonly security?: string }
  /** How often the index is renewed; 0 is never. */
  readonly refreshMs: number
  readonly clock: Clock
  readonly onProgress: (line: string) => void
  readonly onFailure: (error: unknown) => void
}

/**
 * The bundled Debian set. A set that is there is served at once, and renewed in the background on
 * its schedule; only the very first start waits for the index. A renewal that fails changes nothing.
 */
export async function createBundledSource(
  options: BundledSourceOptions,
  signal: AbortSignal,
): Promise<PackageSource & { close(): void }> {
  const { stateDirectory, mirror, refreshMs, clock, onProgress, onFailure } = options
  const closing = new AbortController()
  const prepare = (until: AbortSignal) =>
    prepareDebianPackageSet({ stateDirectory, mirror }, onProgress, until)

  const stored = await newestDebianPackageSet(stateDirectory)
  let current = stored?.source ?? (await prepare(signal))
  let stopTimer = () => {}

  function schedule(ageMs: number): void {
    if (refreshMs > 0) stopTimer = clock.after(Math.max(0, refreshMs - ageMs), () => void refresh())
  }

  async function refresh(): Promise<void> {
    try {
      current = await prepare(closing.signal)
    } catch (error) {
      if (closing.signal.aborted) return
      onFailure(error)
    }
    schedule(0)
  }

  // A service that is restarted often must not put its renewal off for ever.
  schedule(stored === undefined ? 0 : Date.now() - stored.preparedAtMs)
  return {
    pin: async (tag) =>
      onlyLatest(tag, () => ({ kind: 'pinned', source: current, cacheable: true })),
    close() {
      stopTimer()
      closing.abort()
    },
  }
}
