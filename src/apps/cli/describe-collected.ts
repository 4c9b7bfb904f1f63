import type { Collected } from '#engine/upkeep/collect-garbage.ts'
import type { CollectedStore } from '#engine/ports/store-collector.ts'
import type { CollectionOutcome } from '#engine/upkeep/schedule-collections.ts'
import { counted } from './counted.ts'
import { formatByteSize } from './byte-size.ts'
import { describeImage } from './describe-image.ts'
import { formatAge } from './duration.ts'

// Enough to see whether the limits are what one meant; --json has them all.
const shownImages = 20

/** What `nixery gc` says of a storage, line by line. */
export function describeCollected(
  collected: CollectionOutcome,
  dryRun: boolean,
  nowMs: number,
  storage: string,
): readonly string[] {
  if (collected.kind === 'busy') {
    const until = new Date(collected.untilMs).toISOString()
    return [
      `nothing was removed from ${storage}: the collector ${collected.collector} is at work, or died doing so; until ${until} at the longest it is left alone`,
    ]
  }
  if (isEmpty(collected)) return [`${storage} is empty`]
  const { images, builds, blobs, sizeBytes, left, fresh } = collected
  return [
    ...(dryRun ? listImages(collected, nowMs) : []),
    `${dryRun ? 'would remove' : 'removed'} ${counted(images.length, 'image')}, ${counted(builds, 'cached layer')} and ${counted(blobs, 'blob')}: ${formatByteSize(sizeBytes)} ${dryRun ? 'less' : 'freed'}`,
    `left in ${storage}: ${counted(left.images, 'image')} and ${counted(left.blobs, 'blob')}, ${formatByteSize(left.sizeBytes)}`,
    ...(fresh.images + fresh.blobs > 0
      ? [
          `kept for now, because just used or written: ${counted(fresh.images, 'image')} and ${counted(fresh.blobs, 'blob')}`,
        ]
      : []),
    ...describeSwept(collected, dryRun),
  ]
}

/** Whoever looks at a storage by mistake sees it by that. */
function isEmpty({
  images,
  builds,
  unreadable,
  quarantined,
  staged,
  ...blobs
}: Collected): boolean {
  const removed = images.length + builds + blobs.blobs + unreadable + quarantined + staged
  return removed + blobs.left.images + blobs.left.blobs === 0
}

function listImages({ images }: Collected, nowMs: number): readonly string[] {
  const lines = images
    .slice(0, shownImages)
    .map(
      ({ key, about, usedMs, sizeBytes }) =>
        `  ${about === undefined ? key : describeImage(about)}  used ${formatAge(nowMs - usedMs)} ago  ${formatByteSize(sizeBytes)}`,
    )
  if (lines.length === 0) return []
  const more = images.length - lines.length
  return [
    'images, least recently used first, with what they share with others:',
    ...lines,
    ...(more > 0 ? [`  and ${more} more; --json lists all`] : []),
  ]
}

function describeSwept(
  { unreadable, quarantined, staged }: Collected,
  dryRun: boolean,
): readonly string[] {
  const swept = [
    ...(unreadable > 0
      ? [`${counted(unreadable, 'cache entry', 'cache entries')} that could not be read`]
      : []),
    ...(quarantined > 0 ? [`${counted(quarantined, 'blob')} in quarantine`] : []),
    ...(staged > 0 ? [counted(staged, 'unfinished upload')] : []),
  ]
  return swept.length > 0
    ? [`${dryRun ? 'would also remove' : 'also removed'} ${swept.join(', ')}`]
    : []
}

/** What `nixery gc` says of the package store. */
export function describeCollectedStore(
  { sizeBytes, removedPaths, removedBytes, deadBytes }: CollectedStore,
  dryRun: boolean,
): string {
  const size = `Nix store: ${formatByteSize(sizeBytes)}`
  if (deadBytes !== undefined)
    return `${size}, of which nothing holds ${formatByteSize(deadBytes)}; would remove some ${formatByteSize(removedBytes)} of it`
  if (dryRun || removedPaths === 0) return `${size}, nothing to remove`
  return `${size}, removed ${counted(removedPaths, 'store path')} of ${formatByteSize(removedBytes)}`
}
