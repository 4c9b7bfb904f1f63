import { BoundedMap } from '#core/memory/bounded-map.ts'
import type { Digest } from '#core/oci/digest.ts'
import type { BlobClaims } from './claim-blobs.ts'
import type { StorageWatch } from './ports/storage-watch.ts'

export interface RecentAnswersOptions {
  readonly watch: StorageWatch
  readonly claims: Pick<BlobClaims, 'holds'>
  /** Of any beginning; never set back. */
  readonly nowMs: () => number
  readonly most: number
}

/** When somebody began to look at the storage. */
export interface Moment {
  readonly state: number
  readonly sinceMs: number
}

interface KeptAnswer<Answer> {
  readonly answer: Answer
  /** Manifests that the answer leads to. */
  readonly digests: readonly Digest[]
  readonly moment: Moment
}

// A blob that is cut short in its place gives its directory no other time: that is found when the blob is
// served, and by the next look at all blobs of the image.
const lifeMs = 60 * 1000

/**
 * What was found by a look at every blob of an image, while that holds: nothing in the storage came or
 * went, no claim ran out, and the look was not long ago.
 */
export class RecentAnswers<Answer> {
  readonly #options: RecentAnswersOptions
  readonly #kept: BoundedMap<string, KeptAnswer<Answer>>

  constructor(options: RecentAnswersOptions) {
    this.#options = options
    this.#kept = new BoundedMap(options.most)
  }

  /** To be taken before the storage is looked at; `undefined` when what is found cannot be kept. */
  moment(): Moment | undefined {
    const state = this.#options.watch.state()
    return state === undefined ? undefined : { state, sinceMs: this.#options.nowMs() }
  }

  keep(key: string, answer: Answer, digests: readonly Digest[], moment: Moment): void {
    this.#kept.set(key, { answer, digests, moment })
  }

  recall(key: string): Answer | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    if (this.#holds(kept)) return kept.answer
    this.#kept.delete(key)
    return undefined
  }

  #holds({ digests, moment }: KeptAnswer<Answer>): boolean {
    const { watch, claims, nowMs } = this.#options
    return (
      nowMs() - moment.sinceMs < lifeMs &&
      watch.state() === moment.state &&
      digests.every((digest) => claims.holds(digest))
    )
  }
}
