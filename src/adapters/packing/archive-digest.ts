import { createHash } from 'node:crypto'
import { digestFromHash, type Digest } from '#core/oci/digest.ts'

/** Digest and size of an archive that passes block by block. */
export class ArchiveDigest {
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  /** What has passed so far. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  update(block: Uint8Array): void {
    this.#hash.update(block)
    this.#sizeBytes += block.length
  }

  /** Ends it. */
  digest(): Digest {
    return digestFromHash(this.#hash)
  }
}
