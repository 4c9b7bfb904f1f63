import type { Digest } from '#core/oci/digest.ts'
import { chooseImages, type ImageChoice } from '#core/retention/choose-images.ts'
import { findGarbage } from '#core/retention/find-garbage.ts'
import { isFresh, type RetentionPolicy } from '#core/retention/retention-policy.ts'
import { countBlobs, describeRemoved, sizesIn, type Collected } from './collected.ts'
import {
  StorageReader,
  type CollectableStorage,
  type LookedImage,
  type StorageLook,
} from './look-at-storage.ts'
import type { StoredBlob } from '../ports/storage-upkeep.ts'
import { findBusyCollector, postNotice, type CollectorBusy } from './posted-notice.ts'
import { removeGarbage } from './remove-garbage.ts'
import { runInLanes } from '../run-in-lanes.ts'
import { findStaleEntries, removeStaleEntries } from './stale-entries.ts'

export type { Collected, CollectorBusy }

/** Progress of a collection, for people who wait for it. */
export interface CollectionEvent {
  readonly kind: 'looking' | 'removing'
  readonly done: number
  /** May grow while garbage is found. */
  readonly total: number
}

export interface CollectionOptions {
  /** Reports what would be removed, and removes nothing. */
  readonly dryRun: boolean
  /** Names this collector in its notice: letters, digits and dashes. */
  readonly collector: string
  readonly observe: (event: CollectionEvent) => void
  /** Milliseconds of a clock that goes on while the machine sleeps, such as `Date.now`. */
  readonly nowMs: () => number
}

// Long enough for an operator to look at what was wrong with them.
const quarantineMs = 7 * 24 * 60 * 60 * 1000

const callsAtOnce = 16

/**
 * Removes images that the policy lets go, and everything that no image needs; safe beside instances
 * that build and serve, and when it is ended at any moment.
 *
 * Entries go before what they lead to, and what refers before what it refers to: indexes, manifests,
 * then configs and layers. Whoever holds a manifest has claimed it, and then it was either kept, with
 * all that it needs, or gone already. So the entries themselves need no claims: an image that loses its
 * entry while it is pulled is pulled to its end, and made again by the next pull.
 */
export async function collectGarbage(
  storage: CollectableStorage,
  policy: RetentionPolicy,
  options: CollectionOptions,
  signal: AbortSignal,
): Promise<Collected | CollectorBusy> {
  return options.dryRun
    ? planCollection(storage, policy, options, signal)
    : runCollection(storage, policy, options, signal)
}

async function planCollection(
  storage: CollectableStorage,
  policy: RetentionPolicy,
  options: CollectionOptions,
  signal: AbortSignal,
): Promise<Collected | CollectorBusy> {
  const startMs = options.nowMs()
  const look = await lookAround(new StorageReader(storage, policy), options, signal)
  const busy = await findBusyCollector(storage.upkeep, options.collector, look.nowMs, signal)
  if (busy !== undefined) return busy
  const { kept, removed, spared } = chooseFrom(look, policy)
  const garbage = new Set(findGarbage(look.blobs.keys(), kept, look.pinned))
  const leading = [...garbage].flatMap((digest) => look.builds.get(digest) ?? [])
  const stale = findStaleEntries(look, policy)
  const blobs = [...look.blobs.values()]
  return {
    kind: 'collected',
    images: removed.map((image) => describeRemoved(image, look)),
    builds: leading.length + stale.dangling.length,
    unreadable: stale.unreadable.length,
    quarantined: (await findOldQuarantined(storage, look, signal)).length,
    staged: 0,
    ...countBlobs(
      blobs.filter(({ digest }) => garbage.has(digest)),
      blobs.filter(({ digest }) => !garbage.has(digest)),
      { images: kept, spared },
    ),
    durationMs: options.nowMs() - startMs,
  }
}

async function runCollection(
  storage: CollectableStorage,
  policy: RetentionPolicy,
  options: CollectionOptions,
  signal: AbortSignal,
): Promise<Collected | CollectorBusy> {
  const startMs = options.nowMs()
  const notice = await postNotice(storage.upkeep, options.collector, signal)
  if (notice.kind === 'busy') return notice
  await using _untilTheEnd = notice

  const reader = new StorageReader(storage, policy)
  const look = await lookAround(reader, options, signal)
  const choice = chooseFrom(look, policy)
  const onProgress = countProgress(options)
  const removed = await removeImages(storage, policy, choice.removed, look, signal)
  onProgress(choice.removed.length, 0)
  const stale = findStaleEntries(look, policy)
  await removeStaleEntries(storage, stale, signal)
  const { nowMs } = options
  const tools = { storage, policy, reader, notice, nowMs, onProgress }
  const gone = new Set(removed)
  const images = look.images.filter((image) => !gone.has(image))
  const garbage = await removeGarbage(tools, { ...look, images }, signal)
  return {
    kind: 'collected',
    images: removed.map((image) => describeRemoved(image, look)),
    builds: garbage.builds + stale.dangling.length,
    unreadable: stale.unreadable.length,
    quarantined: await removeOldQuarantined(storage, look, signal),
    staged: await storage.upkeep.sweepStaging(signal),
    ...countBlobs(garbage.removed, garbage.left, {
      images: garbage.look.images,
      spared: choice.spared + choice.removed.length - removed.length,
    }),
    durationMs: nowMs() - startMs,
  }
}

function lookAround(
  reader: StorageReader,
  { observe }: CollectionOptions,
  signal: AbortSignal,
): Promise<StorageLook> {
  return reader.look((done, total) => observe({ kind: 'looking', done, total }), signal)
}

function countProgress({ observe }: CollectionOptions): (decided: number, left: number) => void {
  let done = 0
  return (decided, left) => {
    done += decided
    observe({ kind: 'removing', done, total: done + left })
  }
}

function chooseFrom(look: StorageLook, policy: RetentionPolicy): ImageChoice<LookedImage> {
  const sizeOf = sizesIn(look)
  return chooseImages(look.images, { sizeOf, pinned: look.pinned }, policy, look.nowMs)
}

/** Removes the entries of images, but of those that were used since the look. */
async function removeImages(
  { upkeep, entries }: CollectableStorage,
  policy: RetentionPolicy,
  images: readonly LookedImage[],
  { nowMs }: StorageLook,
  signal: AbortSignal,
): Promise<readonly LookedImage[]> {
  const removed = new Set<LookedImage>()
  const isUsed = async (digest: Digest) => {
    const usedMs = await upkeep.lastUse(digest, signal)
    return usedMs !== undefined && isFresh(policy, usedMs, nowMs)
  }
  await runInLanes(
    images,
    callsAtOnce,
    async (image) => {
      for (const digest of image.manifests) if (await isUsed(digest)) return
      await entries.remove('manifests', image.key, signal)
      removed.add(image)
    },
    signal,
  )
  return images.filter((image) => removed.has(image))
}

async function findOldQuarantined(
  { upkeep }: CollectableStorage,
  { nowMs }: StorageLook,
  signal: AbortSignal,
): Promise<readonly StoredBlob[]> {
  const all = await Array.fromAsync(upkeep.quarantined(signal))
  return all.filter(({ changedMs }) => nowMs - changedMs > quarantineMs)
}

async function removeOldQuarantined(
  storage: CollectableStorage,
  look: StorageLook,
  signal: AbortSignal,
): Promise<number> {
  const old = await findOldQuarantined(storage, look, signal)
  const remove = ({ digest }: StoredBlob) => storage.upkeep.removeQuarantined(digest, signal)
  await runInLanes(old, callsAtOnce, remove, signal)
  return old.length
}
