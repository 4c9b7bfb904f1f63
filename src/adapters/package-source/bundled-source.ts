import {
  newestDebianPackageSet,
  prepareDebianPackageSet,
} from '#package-sets/debian/debian-package-set.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { PinnedSource } from '#engine/ports/package-builder.ts'
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

  let current: PinnedSource =
    (await newestDebianPackageSet(stateDirectory)) ?? (await prepare(signal))
  let stopTimer = () => {}

  function schedule(): void {
    if (refreshMs > 0) stopTimer = clock.after(refreshMs, () => void refresh())
  }

  async function refresh(): Promise<void> {
    try {
      current = await prepare(closing.signal)
    } catch (error) {
      if (closing.signal.aborted) return
      onFailure(error)
    }
    schedule()
  }

  schedule()
  return {
    pin: async (tag) =>
      onlyLatest(tag, () => ({ kind: 'pinned', source: current, cacheable: true })),
    close() {
      stopTimer()
      closing.abort()
    },
  }
}
