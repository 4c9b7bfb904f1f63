import type { PinnedSource } from './package-builder.ts'

/** What a tag of a package source leads to. */
export type PinOutcome =
  | {
      readonly kind: 'pinned'
      readonly source: PinnedSource
      /** False for a set that can change under its revision: its images are never answered from cache. */
      readonly cacheable: boolean
    }
  /** `message` says which tags make sense. */
  | { readonly kind: 'unknown-tag'; readonly message: string }

/** Where a package set comes from: turns a tag into a set that no longer moves. */
export interface PackageSource {
  pin(tag: string, signal: AbortSignal): Promise<PinOutcome>
}
