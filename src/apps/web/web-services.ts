import type { AdditionView, ImageView } from '#core/api/image-view.ts'
import type { ServiceInfo } from '#core/api/service-info.ts'
import type { BuildJournal } from '#engine/build-journal.ts'
import type { ImageOrders } from '#engine/image-orders.ts'
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
  /** `undefined` when the image is not stored. */
  view(asked: AskedImage, signal: AbortSignal): Promise<ImageView | undefined>
  /** `undefined` when the image is not stored. */
  viewAddition(asked: AskedAddition, signal: AbortSignal): Promise<AdditionView | undefined>
}

export interface AskedImage {
  readonly name: string
  readonly tag: string
  /** `linux/amd64`; the first one of the name without it. */
  readonly platform?: string
}

export interface AskedAddition {
  readonly name: string
  /** As names have them: components joined by slashes. */
  readonly add: string
}
