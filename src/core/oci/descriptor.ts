import type { Digest } from './digest.ts'

/** Points at stored bytes (image-spec, descriptor.md). `size` is in bytes, as the specification names it. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}
