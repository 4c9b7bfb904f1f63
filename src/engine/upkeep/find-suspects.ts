import type { Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import type { ReadImage, Reference, StorageContents } from './read-storage.ts'
import type { AboutImage } from '../stored-entries.ts'

/** An image, or a document that no such image names, which seems to lead to nothing. */
export interface Suspect {
  readonly key?: CacheKey
  readonly about?: AboutImage
  readonly manifests: readonly Digest[]
  /** Those of its documents that lead to nothing themselves: nobody else can need them. */
  readonly useless: readonly Digest[]
  /** What is not there, not whole, or no manifest where there should be one. */
  readonly lacks: readonly Digest[]
}

/** Follows everything that refers to something, images first. */
export function findSuspects(contents: StorageContents): readonly Suspect[] {
  const follow = follower(contents)
  const suspects: Suspect[] = []
  const named = new Set<Digest>()
  for (const [key, image] of contents.images) {
    const suspect = image && suspectImage(contents, follow, image)
    if (suspect === undefined) continue
    suspects.push({ key, ...suspect })
    for (const digest of suspect.useless) named.add(digest)
  }
  for (const digest of contents.documents.keys()) {
    const lacks = [...follow(digest)]
    if (lacks.length > 0 && !named.has(digest))
      suspects.push({ manifests: [digest], useless: [digest], lacks })
  }
  return suspects
}

/** How many images need each blob: the entry of an index names all that its images need. */
export function countImages({ images }: StorageContents): ReadonlyMap<Digest, number> {
  const counts = new Map<Digest, number>()
  for (const image of images.values()) {
    const { manifests = [], blobs = [] } = image ?? {}
    const needed = new Set([...manifests, ...blobs].map(({ digest }) => digest))
    for (const digest of needed) counts.set(digest, (counts.get(digest) ?? 0) + 1)
  }
  return counts
}

/** Whether what a reference names is there, with its size and its bytes. */
export function isWhole({ wrong, blobs }: StorageContents, { digest, size }: Reference): boolean {
  return !wrong.has(digest) && blobs.get(digest) === size
}

/** Gives what a document lacks; nothing for what is no document. */
type Follow = (digest: Digest) => ReadonlySet<Digest>

function follower(contents: StorageContents): Follow {
  const followed = new Map<Digest, ReadonlySet<Digest>>()
  const follow: Follow = (digest) => {
    const known = followed.get(digest)
    if (known !== undefined) return known
    // A document cannot lead to itself: its name is made of the names in it.
    const lacks = lackedBy(contents, follow, contents.documents.get(digest) ?? [])
    followed.set(digest, lacks)
    return lacks
  }
  return follow
}

function lackedBy(
  contents: StorageContents,
  follow: Follow,
  references: readonly Reference[],
): Set<Digest> {
  const lacks = new Set<Digest>()
  for (const reference of references) {
    if (!isWhole(contents, reference)) lacks.add(reference.digest)
    for (const digest of follow(reference.digest)) lacks.add(digest)
  }
  return lacks
}

function suspectImage(
  contents: StorageContents,
  follow: Follow,
  { about, manifests, blobs }: ReadImage,
): Suspect | undefined {
  const lacks = lackedBy(contents, follow, [...manifests, ...blobs])
  const digests = manifests.map(({ digest }) => digest)
  for (const digest of digests) if (!contents.documents.has(digest)) lacks.add(digest)
  if (lacks.size === 0) return undefined
  const useless = digests.filter((digest) => follow(digest).size > 0)
  return { ...(about && { about }), manifests: digests, useless, lacks: [...lacks] }
}
