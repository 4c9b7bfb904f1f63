import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { makeIndex } from '#adapters/package-search/make-index.ts'
import {
  createPackageSearch,
  type ListingEvent,
  type OpenedPackageSearch,
  type PackageSearchOptions,
} from '#adapters/package-search/package-search.ts'
import { formatPlatform, systemOf } from '#core/nix/system.ts'
import type { PackageSources } from '#engine/ports/package-source.ts'
import type { Config } from './config.ts'
import { nixOptions } from './open-nix.ts'
import { packageSearchSettings } from './package-search-settings.ts'

/** Listing takes from a second to minutes of one core. */
const liveIndexMs = 10 * 60_000

/** Searches what the served platforms have of the sources, which must stay open for longer. */
export function openPackageSearch(
  config: Config,
  logger: Logger,
  sources: PackageSources,
  options: Partial<Pick<PackageSearchOptions, 'liveIndexMs' | 'report'>> = {},
): Promise<OpenedPackageSearch> {
  const { policy, platforms, environment } = config
  const { inheritedEnvironment: _, ...nix } = nixOptions(config)
  return createPackageSearch({
    liveIndexMs,
    report: (event) => logListing(logger, event),
    ...options,
    sources,
    ...packageSearchSettings(config),
    makeIndex(set, file, until) {
      const views = platforms.map((platform) => {
        return { platform: formatPlatform(platform), set, system: systemOf(platform), policy }
      })
      return makeIndex({ ...file, views, nix }, environment, until)
    },
    nowMs: Date.now,
  })
}

export function logListing(logger: Logger, { source, ...event }: ListingEvent): void {
  const named = source === '' ? {} : { source }
  switch (event.kind) {
    case 'listed': {
      const { kind: _, unlisted, ...facts } = event
      logger.info({ ...named, ...facts }, 'packages listed for searches')
      for (const { platform, message } of unlisted)
        logger.warn(
          { ...named, platform },
          `packages of ${platform} cannot be searched: ${message}`,
        )
      return
    }
    case 'unlistable':
      logger.warn(named, `packages cannot be searched: ${event.message}`)
      return
    case 'failed':
      logger.warn({ ...named, error: describeError(event.error) }, 'packages not listed')
      return
    case 'damaged':
      logger.warn(
        { ...named, error: describeError(event.error) },
        'an index of packages was damaged, it is made again',
      )
  }
}
