import type { Popularity } from '#core/layers/popularity.ts'
import type { Clock } from '#engine/ports/clock.ts'
import { loadPopularity } from './load-popularity.ts'

export interface WatchOptions {
  readonly url: string
  /** Where the last good snapshot is kept. */
  readonly directory: string
  /** How often the address is read again; 0 is never. */
  readonly refreshMs: number
  readonly clock: Clock
  /** Another snapshot serves than before; not called for the one of the start. */
  readonly onChange: (popularity: Popularity) => void
  /** The address could not be read; `serving` is what there is instead. */
  readonly onFailure: (error: unknown, serving: 'kept' | 'nothing') => void
}

export interface WatchedPopularity {
  /** The snapshot that was loaded last; the closure's own popularity while there is none. */
  current(): Popularity
  close(): void
}

/**
 * Loads a popularity snapshot, and again on a schedule. One that cannot be loaded leaves what is
 * there. Throws like `loadPopularity`, at the start only.
 */
export async function watchPopularity(
  options: WatchOptions,
  signal: AbortSignal,
): Promise<WatchedPopularity> {
  const { url, directory, refreshMs, clock, onChange, onFailure } = options
  const closing = new AbortController()
  let current: Popularity = { kind: 'closure' }
  let stopTimer = () => {}

  async function load(until: AbortSignal): Promise<Popularity> {
    const loaded = await loadPopularity(url, directory, until)
    const next = loaded.kind === 'missing' ? current : loaded.popularity
    if (loaded.kind !== 'loaded')
      onFailure(loaded.error, next.kind === 'snapshot' ? 'kept' : 'nothing')
    return next
  }

  async function refresh(): Promise<void> {
    try {
      const next = await load(closing.signal)
      closing.signal.throwIfAborted()
      const isOther = versionOf(next) !== versionOf(current)
      current = next
      if (isOther) onChange(next)
    } catch (error) {
      if (closing.signal.aborted) return
      onFailure(error, current.kind === 'snapshot' ? 'kept' : 'nothing')
    }
    schedule()
  }

  function schedule(): void {
    if (refreshMs > 0) stopTimer = clock.after(refreshMs, () => void refresh())
  }

  current = await load(signal)
  schedule()
  return {
    current: () => current,
    close() {
      stopTimer()
      closing.abort()
    },
  }
}

function versionOf(popularity: Popularity): string | undefined {
  return popularity.kind === 'snapshot' ? popularity.version : undefined
}
