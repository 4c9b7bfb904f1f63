import type { ServiceInfo } from '#core/api/service-info.ts'
import type { BuildJournal } from '#engine/build-journal.ts'
import type { ImageOrders } from '#engine/image-orders.ts'
import type { AdditionOutcome, AdditionSubject } from '#engine/image-view/view-addition.ts'
import type { ImageSubject, ViewOutcome } from '#engine/image-view/view-image.ts'
import type { PackageSearch } from '#engine/ports/package-search.ts'

/** What the API needs of the product. */
export interface WebServices {
  info(): Omit<ServiceInfo, 'web'>
  readonly builds: Pick<BuildJournal, 'find' | 'list'>
  readonly orders: ImageOrders
  /** Names of the configured package sources, '' for the one that names without a source mean. */
  readonly sourceNames: ReadonlySet<string>
  /** Without it there is no such route. */
  readonly search?: PackageSearch
  /** Without it there are no such routes. */
  readonly views?: ImageViews
  /** Aborts when the service is about to end. */
  readonly ending: AbortSignal
}

export interface ImageViews {
  /** See `viewImage`. */
  view(asked: ImageSubject, signal: AbortSignal): Promise<ViewOutcome>
  /** See `viewAddition`. */
  viewAddition(asked: AdditionSubject, signal: AbortSignal): Promise<AdditionOutcome>
}
