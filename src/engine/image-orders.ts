import type { ImageOrder, OrderedImage, OrderRequest, PlacedOrder } from '#core/api/image-order.ts'
import { describeFailedImage, hintAtNearImages } from './describe-failed-image.ts'
import { describeFault, OperatingError } from './operating-error.ts'
import type { ManifestOutcome, ManifestRequest } from './serve-manifest.ts'
import { GivenUp, isGivenUp } from './share-builds.ts'

/** What proves that somebody placed an order. Only the digest is kept. */
export interface OrderTokens {
  make(): { readonly token: string; readonly digest: string }
  /** Takes the same time whether or not they belong together. */
  matches(token: string, digest: string): boolean
}

export interface OrderTools {
  /** See `serveManifest`. */
  readonly manifest: (
    request: ManifestRequest,
    signal: AbortSignal,
    onBuild: (buildId: string) => void,
  ) => Promise<ManifestOutcome>
  /** Names of images that may have been meant by one whose packages are not there. */
  readonly near: (name: string) => Promise<readonly string[]>
  readonly tokens: OrderTokens
  readonly newOrderId: () => string
  readonly nowMs: () => number
  /** Learns of faults that the operator must mend. */
  readonly onFault: (error: unknown, order: ImageOrder) => void
}

export interface OrderBounds {
  readonly waiting: number
  readonly ended: number
}

/**
 * Half as many may wait as builds may queue, so that nobody who places orders and leaves keeps pulls
 * out. Ended ones have a kilobyte each, and are looked at for minutes.
 */
export const usualOrderBounds: OrderBounds = { waiting: 32, ended: 500 }

export type Placement =
  | ({ readonly kind: 'placed' } & PlacedOrder)
  /** As many orders wait as may. */
  | { readonly kind: 'too-many' }

export type Cancellation =
  /** An order that had ended before is as it was. */
  | { readonly kind: 'ended'; readonly order: ImageOrder }
  | { readonly kind: 'unknown' }
  /** The token is that of another order, or of none. */
  | { readonly kind: 'forbidden' }

/** Orders of images: builds that somebody wants without a pull that waits for them. In memory. */
export interface ImageOrders {
  /** Begins to wait for an image, and returns at once. */
  place(request: OrderRequest): Placement
  find(orderId: string): ImageOrder | undefined
  /** Settles when the order has a build or has ended. */
  begun(orderId: string): Promise<void>
  /** Gives up an order that waits; its builds end unless somebody else waits for them. */
  cancel(orderId: string, token: string): Cancellation
  /** Whether the token is that of an order that the build belongs to. */
  opensLog(buildId: string, token: string): boolean
}

interface KeptOrder {
  order: ImageOrder
  readonly tokenDigest: string
  readonly leaving: AbortController
  readonly begun: PromiseWithResolvers<void>
}

export function createImageOrders(tools: OrderTools, bounds = usualOrderBounds): ImageOrders {
  const kept = new Map<string, KeptOrder>()

  function isWaiting({ order }: KeptOrder): boolean {
    return order.status === 'waiting'
  }

  /** The first end counts: an order that was cancelled stays so, whatever its builds come to. */
  function end(entry: KeptOrder, result: Partial<ImageOrder>): void {
    if (!isWaiting(entry)) return
    entry.order = { ...entry.order, ...result }
    entry.begun.resolve()
    // In the order in which they end: one that took long would be forgotten as it ends.
    kept.delete(entry.order.id)
    kept.set(entry.order.id, entry)
    const ended = [...kept.values()].filter((other) => !isWaiting(other))
    for (const { order } of ended.slice(0, -bounds.ended)) kept.delete(order.id)
  }

  function addBuild(entry: KeptOrder, buildId: string): void {
    const { builds } = entry.order
    if (!builds.includes(buildId)) entry.order = { ...entry.order, builds: [...builds, buildId] }
    entry.begun.resolve()
  }

  async function run(entry: KeptOrder): Promise<void> {
    const { name, tag } = entry.order
    const { signal } = entry.leaving
    const onBuild = (buildId: string) => addBuild(entry, buildId)
    try {
      const outcome = await tools.manifest({ name, tag, acceptsIndex: true }, signal, onBuild)
      end(entry, await describeOutcome(tools, name, outcome))
    } catch (error) {
      if (isFault(error)) tools.onFault(error, entry.order)
      end(entry, { status: 'failed', message: describeFault(error) })
    }
  }

  return {
    place({ name, tag = 'latest' }) {
      if (kept.values().filter(isWaiting).toArray().length >= bounds.waiting)
        return { kind: 'too-many' }
      const { token, digest: tokenDigest } = tools.tokens.make()
      const id = tools.newOrderId()
      const placedAtMs = tools.nowMs()
      const entry: KeptOrder = {
        order: { id, name, tag, placedAtMs, status: 'waiting', builds: [] },
        tokenDigest,
        leaving: new AbortController(),
        begun: Promise.withResolvers(),
      }
      kept.set(id, entry)
      void run(entry)
      return { kind: 'placed', order: entry.order, token }
    },

    find: (orderId) => kept.get(orderId)?.order,

    async begun(orderId) {
      await kept.get(orderId)?.begun.promise
    },

    cancel(orderId, token) {
      const entry = kept.get(orderId)
      if (entry === undefined) return { kind: 'unknown' }
      if (!tools.tokens.matches(token, entry.tokenDigest)) return { kind: 'forbidden' }
      end(entry, { status: 'cancelled' })
      entry.leaving.abort(new GivenUp('cancelled by whoever ordered it'))
      return { kind: 'ended', order: entry.order }
    },

    opensLog: (buildId, token) =>
      kept
        .values()
        .filter(({ order }) => order.builds.includes(buildId))
        .some(({ tokenDigest }) => tools.tokens.matches(token, tokenDigest)),
  }
}

async function describeOutcome(
  { near }: OrderTools,
  name: string,
  outcome: ManifestOutcome,
): Promise<Pick<ImageOrder, 'status'> & Partial<ImageOrder>> {
  switch (outcome.kind) {
    case 'image':
      return { status: 'served', image: describeImage(outcome) }
    case 'failed': {
      const hint = await hintAtNearImages(outcome.failure, () => near(name))
      return { status: 'failed', message: `${describeFailedImage(outcome, 'onlooker')}${hint}` }
    }
    case 'invalid-name':
    case 'denied':
    case 'unknown-tag':
    case 'forbidden-tag':
      return { status: 'failed', message: outcome.message }
  }
}

function describeImage({
  image,
  cached,
  pinned,
}: Extract<ManifestOutcome, { kind: 'image' }>): OrderedImage {
  const [first] = image.manifests
  if (first === undefined) throw new Error('a stored image has no manifest')
  return { digest: first.digest, cached, revision: pinned.revision }
}

/** Giving up, overload and the end of the service are part of normal work. */
function isFault(error: unknown): boolean {
  if (error instanceof OperatingError)
    return error.code !== 'OVERLOADED' && error.code !== 'SHUTTING_DOWN'
  return !isGivenUp(error)
}
