import { join } from 'node:path'
import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { makeIndex } from '#adapters/package-search/make-index.ts'
import {
  createPackageSearch,
  type ListingEvent,
  type OpenedPackageSearch,
} from '#adapters/package-search/package-search.ts'
import { systemOf } from '#core/nix/system.ts'
import type { PackageSources } from '#engine/ports/package-source.ts'
import type { Config } from './config.ts'
import { nixOptions } from './open-nix.ts'

/** Searches what the first platform has of the sources, which must stay open for longer. */
export function openPackageSearch(
  config: Config,
  logger: Logger,
  sources: PackageSources,
): Promise<OpenedPackageSearch> {
  const { policy, platforms, stateDirectory, environment } = config
  const { inheritedEnvironment: _, ...nix } = nixOptions(config)
  const [platform] = platforms
  const system = systemOf(platform)
  const { unfree, broken, insecure, allow, deny, allowedUris } = policy
  return createPackageSearch({
    sources,
    directory: join(stateDirectory, 'package-search'),
    view: { system, policy: { unfree, broken, insecure, allow, deny, allowedUris } },
    makeIndex: (set, file, until) =>
      makeIndex({ ...file, view: { set, system, policy }, nix }, environment, until),
    nowMs: Date.now,
    report: (event) => logListing(logger, event),
  })
}

function logListing(logger: Logger, { source, ...event }: ListingEvent): void {
  const named = source === '' ? {} : { source }
  switch (event.kind) {
    case 'listed': {
      const { kind: _, ...facts } = event
      logger.info({ ...named, ...facts }, 'packages listed for searches')
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
