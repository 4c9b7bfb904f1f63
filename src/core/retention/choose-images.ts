import type { Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import { isFresh, type RetentionPolicy } from './retention-policy.ts'

/** A stored image or index. Times are milliseconds since 1970. */
export interface StoredImage {
  readonly key: CacheKey
  /** When it was relied on last; not before it was made. */
  readonly usedMs: number
  readonly madeMs: number
  /** All that stays with it: of an index, what its images need too. */
  readonly digests: readonly Digest[]
}

/** What the blobs of a storage take, and which stay whatever becomes of images. */
export interface StoredSizes {
  /** 0 for what is not there. */
  sizeOf(digest: Digest): number
  readonly pinned: ReadonlySet<Digest>
}

export interface ImageChoice<Image extends StoredImage> {
  readonly kept: readonly Image[]
  /** Least recently used first. */
  readonly removed: readonly Image[]
  /** How many of the kept ones would have gone, were they not too fresh. */
  readonly spared: number
}

/** Which images go: first those that are out of date, then the least recently used ones. */
export function chooseImages<Image extends StoredImage>(
  images: readonly Image[],
  sizes: StoredSizes,
  policy: RetentionPolicy,
  nowMs: number,
): ImageChoice<Image> {
  const byUse = images.toSorted(compareUse)
  const isSpared = ({ usedMs }: StoredImage) => isFresh(policy, usedMs, nowMs)
  const leaving = new Set(byUse.filter((image) => isOutdated(policy, image, nowMs)))
  const needed = new NeededBytes(
    byUse.filter((image) => !leaving.has(image) || isSpared(image)),
    sizes,
  )
  for (const image of byUse) {
    if (needed.totalBytes <= (policy.mostBytes ?? Number.POSITIVE_INFINITY)) break
    if (leaving.has(image) && !isSpared(image)) continue
    leaving.add(image)
    needed.release(image)
  }
  return {
    kept: byUse.filter((image) => !leaving.has(image) || isSpared(image)),
    removed: byUse.filter((image) => leaving.has(image) && !isSpared(image)),
    spared: byUse.filter((image) => leaving.has(image) && isSpared(image)).length,
  }
}

function isOutdated(
  { unusedMs, ageMs }: RetentionPolicy,
  image: StoredImage,
  nowMs: number,
): boolean {
  return (
    nowMs - image.usedMs > (unusedMs ?? Number.POSITIVE_INFINITY) ||
    nowMs - image.madeMs > (ageMs ?? Number.POSITIVE_INFINITY)
  )
}

/** Keys decide between equal times, so that every run chooses the same. */
function compareUse(one: StoredImage, other: StoredImage): number {
  return one.usedMs - other.usedMs || (one.key < other.key ? -1 : 1)
}

/** The size of all that images need, which is less than the sum of theirs: they share layers. */
class NeededBytes {
  readonly #sizes: StoredSizes
  readonly #users = new Map<Digest, number>()
  totalBytes = 0

  constructor(images: readonly StoredImage[], sizes: StoredSizes) {
    this.#sizes = sizes
    for (const digest of sizes.pinned) this.#use(digest)
    for (const { digests } of images) for (const digest of new Set(digests)) this.#use(digest)
  }

  release({ digests }: StoredImage): void {
    for (const digest of new Set(digests)) {
      const users = (this.#users.get(digest) ?? 0) - 1
      this.#users.set(digest, users)
      if (users === 0) this.totalBytes -= this.#sizes.sizeOf(digest)
    }
  }

  #use(digest: Digest): void {
    const users = this.#users.get(digest) ?? 0
    this.#users.set(digest, users + 1)
    if (users === 0) this.totalBytes += this.#sizes.sizeOf(digest)
  }
}
