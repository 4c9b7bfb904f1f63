import { createHash } from 'node:crypto'
import { digestFromHash, type Digest } from './digest.ts'

/** Names bytes that come in pieces. */
export class RunningDigest {
  readonly #hash = createHash('sha256')

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk)
  }

  /** Of all that came; ends the run. */
  end(): Digest {
    return digestFromHash(this.#hash)
  }
}
