import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { orderTokens } from '#apps/web/order-tokens.ts'
import type { ImageViews, WebServices } from '#apps/web/web-services.ts'
import type { ServedSource } from '#core/api/service-info.ts'
import { formatPlatform } from '#core/nix/system.ts'
import type { BuildJournal } from '#engine/build-journal.ts'
import { createImageOrders, type OrderTools } from '#engine/image-orders.ts'
import type { PackageSources } from '#engine/ports/package-source.ts'
import type { Config } from './config.ts'
import { openPackageSearch } from './open-package-search.ts'
import { readVersion } from './read-version.ts'

/** What the web services are made of. */
export interface WebParts extends Pick<OrderTools, 'manifest' | 'near' | 'newOrderId'> {
  readonly views: ImageViews
  readonly sources: PackageSources
  readonly builds: BuildJournal
  readonly example: string | undefined
  readonly logger: Logger
  /** Aborts when the service is about to end. */
  readonly ending: AbortSignal
}

/** What the API answers from. The sources must stay open for longer. */
export async function openWeb(
  config: Config,
  { views, sources, builds, example, logger, ending, ...orderTools }: WebParts,
): Promise<WebServices & { close(): Promise<void> }> {
  const search = await openPackageSearch(config, logger, sources)
  const version = readVersion()
  return {
    info() {
      // Whoever opens the page is about to search.
      void search.prepare()
      return {
        version,
        sources: [...sources.keys()].map((name) => describeSource(sources, name)),
        platforms: config.platforms.map(formatPlatform),
        ...(example !== undefined && { example }),
      }
    },
    builds,
    orders: createImageOrders({
      ...orderTools,
      tokens: orderTokens,
      nowMs: Date.now,
      onFault: (error, { id, name }) =>
        logger.error({ order: id, name, error: describeError(error) }, 'order failed'),
    }),
    sourceNames: new Set(sources.keys()),
    search,
    views,
    ending,
    close: () => search.close(),
  }
}

// Where something is on this machine is for its operator alone, as in messages.
const placeOnThisMachine = /^(?:file:|[/.~])/i

/** What strangers may know of a source, without asking anybody. */
export function describeSource(sources: PackageSources, name: string): ServedSource {
  const pin = sources.get(name)?.recall?.('latest')
  if (pin?.kind !== 'pinned') return { name }
  const { revision, origin } = pin.pinned
  const isTold = origin !== undefined && !placeOnThisMachine.test(origin)
  return { name, revision, ...(isTold && { origin }) }
}
