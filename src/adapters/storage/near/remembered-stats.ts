import type { Digest } from '#core/oci/digest.ts'
import type { BlobStat } from '#engine/ports/blob-store.ts'

// A cached manifest asks for each of its blobs, and the clients that pull it ask for each again.
const ttlMs = 60 * 1000

// The blobs of some hundred images; 2 MB.
const mostStats = 10_000

interface RememberedStat {
  readonly askedMs: number
  /** Not before the answer has come. */
  stat: BlobStat | undefined
  /** Whoever asks gets an answer of their own. */
  readonly isDoubted?: boolean
}

/** Which blobs are there, if that was asked within the last minute. Absence is not remembered. */
export class RememberedStats {
  readonly #nowMs: () => number
  /** In the order of asking, so the first ones run out first. */
  readonly #stats = new Map<Digest, RememberedStat>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** The remembered answer or that of `ask`, which counts from when it was asked. */
  async get(
    digest: Digest,
    ask: () => Promise<BlobStat | undefined>,
  ): Promise<BlobStat | undefined> {
    const known = this.#stats.get(digest)
    const isKnown = known !== undefined && this.#isNew(known)
    if (isKnown && known.isDoubted === true) return ask()
    if (isKnown && known.stat !== undefined) return known.stat
    const asked: RememberedStat = { askedMs: this.#nowMs(), stat: undefined }
    this.#remember(digest, asked)
    const stat = await ask()
    // Unless it was to be forgotten meanwhile: then the answer may be of before.
    asked.stat = stat
    return stat
  }

  /** The next answer is a new one, and so is that of whoever asks at this moment. */
  forget(digest: Digest): void {
    this.#stats.delete(digest)
  }

  /**
   * For as long as answers are remembered none of this blob is. Who has recorded its use reads the
   * notices next, and then asks; an answer that somebody else got in between may be out of date.
   */
  doubt(digest: Digest): void {
    this.#remember(digest, { askedMs: this.#nowMs(), stat: undefined, isDoubted: true })
  }

  #isNew({ askedMs }: RememberedStat): boolean {
    const ageMs = this.#nowMs() - askedMs
    // A clock that was set back says nothing about the age.
    return ageMs >= 0 && ageMs < ttlMs
  }

  #remember(digest: Digest, asked: RememberedStat): void {
    this.#stats.delete(digest)
    this.#stats.set(digest, asked)
    const [oldest] = this.#stats.keys()
    if (this.#stats.size > mostStats && oldest !== undefined) this.#stats.delete(oldest)
  }
}
