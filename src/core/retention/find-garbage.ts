import type { Digest } from '#core/oci/digest.ts'
import type { StoredImage } from './choose-images.ts'

/** The blobs that no image needs and that are not to stay for other reasons. */
export function findGarbage(
  blobs: Iterable<Digest>,
  images: Iterable<StoredImage>,
  pinned: ReadonlySet<Digest>,
): readonly Digest[] {
  const garbage = new Set(blobs)
  for (const { digests } of images) for (const digest of digests) garbage.delete(digest)
  for (const digest of pinned) garbage.delete(digest)
  return [...garbage]
}
