import { join } from 'node:path'
import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { watchPopularity } from '#adapters/popularity/watch-popularity.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import type { Config } from './config.ts'

/** A snapshot that cannot be loaded costs layers that are shared less, not the service. */
export async function openPopularity(
  { popularityUrl: url, popularityRefreshMs: refreshMs, stateDirectory, layerScheme }: Config,
  logger: Logger,
  signal: AbortSignal,
): Promise<{ current(): Popularity; close(): void }> {
  const none = { current: () => ({ kind: 'closure' }) as const, close: () => {} }
  if (url === undefined) return none
  if (layerScheme !== 'original') {
    logger.warn(
      { url },
      `NIX_POPULARITY_URL is not used: NIXERY_LAYER_SCHEME=${layerScheme} plans layers without popularity`,
    )
    return none
  }
  const watched = await watchPopularity(
    {
      url,
      directory: join(stateDirectory, 'popularity'),
      refreshMs,
      clock: systemClock,
      onChange: (popularity) =>
        logger.info(
          { url, ...popularityFacts(popularity) },
          'popularity changed: digests of images may differ',
        ),
      onFailure: (error, serving) =>
        logger.warn(
          { url, error: describeError(error) },
          serving === 'kept'
            ? 'popularity not loaded, serving with the one that was loaded last'
            : 'popularity not loaded, serving without: digests of images differ',
        ),
    },
    signal,
  )
  const current = watched.current()
  if (current.kind === 'snapshot')
    logger.info({ url, ...popularityFacts(current) }, 'popularity in use')
  return watched
}

function popularityFacts(popularity: Popularity) {
  return popularity.kind === 'closure'
    ? {}
    : { names: popularity.ratings.size, version: popularity.version }
}
