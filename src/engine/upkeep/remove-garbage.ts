import type { Digest } from '#core/oci/digest.ts'
import { findGarbage } from '#core/retention/find-garbage.ts'
import { isFresh, type RetentionPolicy } from '#core/retention/retention-policy.ts'
import type { CollectableStorage, StorageLook, StorageReader } from './look-at-storage.ts'
import type { StoredBlob } from '../ports/storage-upkeep.ts'
import type { PostedNotice } from './posted-notice.ts'
import { runInLanes } from '../run-in-lanes.ts'

export interface CollectionTools {
  readonly storage: CollectableStorage
  readonly policy: RetentionPolicy
  readonly reader: StorageReader
  readonly notice: PostedNotice
  /** Milliseconds of a clock that goes on while the machine sleeps: notices run out meanwhile. */
  readonly nowMs: () => number
  /** Told of everything that was decided, and of how much is left to decide. */
  onProgress(decided: number, left: number): void
}

export interface RemovedGarbage {
  readonly removed: readonly StoredBlob[]
  /** Entries that led to it. */
  readonly builds: number
  /** The last look, before what was removed after it. */
  readonly look: StorageLook
  readonly left: readonly StoredBlob[]
}

// Works off in seconds; an instance that needs one of them waits as long.
const mostBatch = 1000

// A third of what a notice counts for: see `noticeLifeMs`.
const batchMs = 5 * 60 * 1000

const callsAtOnce = 16

/** Below what people may choose beside running instances; it keeps short graces from looking all the time. */
const leastLookMs = 60 * 1000

/** Removes the blobs that no image needs, and the entries that lead to them. */
export async function removeGarbage(
  tools: CollectionTools,
  firstLook: StorageLook,
  signal: AbortSignal,
): Promise<RemovedGarbage> {
  let removed: readonly StoredBlob[] = []
  let builds = 0
  for (let look = firstLook; ; look = await tools.reader.look(() => {}, signal)) {
    const round = new CollectionRound(tools, look)
    const isDone = await round.run(signal)
    removed = [...removed, ...round.removed.values()]
    builds += round.builds
    if (!isDone && round.removed.size > 0) continue
    await forgetUses(tools, look, signal)
    const left = [...look.blobs.values()].filter(({ digest }) => !round.removed.has(digest))
    return { removed, builds, look, left }
  }
}

/** What one look found to be garbage. */
class CollectionRound {
  readonly #tools: CollectionTools
  readonly #look: StorageLook
  /** What turned out to be used, with all that it needs. */
  readonly #spared = new Set<Digest>()
  readonly removed = new Map<Digest, StoredBlob>()
  builds = 0

  constructor(tools: CollectionTools, look: StorageLook) {
    this.#tools = tools
    this.#look = look
  }

  /** False when the look has become too old; then there has to be another one. */
  async run(signal: AbortSignal): Promise<boolean> {
    const { blobs, images, pinned } = this.#look
    const garbage = findGarbage(blobs.keys(), images, pinned)
    let left = garbage.length
    this.#tools.onProgress(0, left)
    for (const wave of await this.#sortWaves(garbage, signal)) {
      for (let start = 0; start < wave.length; start += mostBatch) {
        const batch = wave.slice(start, start + mostBatch)
        const postedMs = await this.#removeBatch(batch, signal)
        left -= batch.length
        this.#tools.onProgress(batch.length, left)
        if (left > 0 && this.#isOld(postedMs)) return false
      }
    }
    return true
  }

  /**
   * A manifest that came since the look without an image needs only what was claimed a few minutes
   * before it came, so for half the grace that is still fresh.
   */
  #isOld(nowMs: number): boolean {
    const { graceMs } = this.#tools.policy
    return nowMs - this.#look.nowMs > Math.max(graceMs / 2, leastLookMs)
  }

  /** What refers to others comes before what it refers to: indexes, manifests, all the rest. */
  async #sortWaves(
    garbage: readonly Digest[],
    signal: AbortSignal,
  ): Promise<readonly (readonly Digest[])[]> {
    const waves = { index: [] as Digest[], manifest: [] as Digest[], rest: [] as Digest[] }
    await runInLanes(
      garbage.flatMap((digest) => this.#look.blobs.get(digest) ?? []),
      callsAtOnce,
      async (blob) => {
        const read = await this.#tools.reader.readReferences(blob, signal)
        waves[read?.kind ?? 'rest'].push(blob.digest)
      },
      signal,
    )
    return [waves.index, waves.manifest, waves.rest]
  }

  /** Gives the storage's time. */
  async #removeBatch(wanted: readonly Digest[], signal: AbortSignal): Promise<number> {
    const batch = wanted.filter((digest) => !this.#spared.has(digest))
    const { notice, nowMs, reader } = this.#tools
    const untilMs = nowMs() + batchMs
    const isInTime = () => nowMs() < untilMs
    const postedMs = await notice.post(batch)
    const needed = await this.#findNeeded(batch, postedMs, signal)
    await reader.addReferences(needed, this.#look.blobs, this.#spared, signal)
    const going = batch.filter((digest) => !this.#spared.has(digest))
    await runInLanes(
      going,
      callsAtOnce,
      async (digest) => {
        if (isInTime()) await this.#remove(digest, isInTime, signal)
      },
      signal,
    )
    // What is left over goes the next time, and nothing that it needs goes before it.
    const leftOver = going.filter((digest) => !this.removed.has(digest))
    await reader.addReferences(leftOver, this.#look.blobs, this.#spared, signal)
    return notice.post([])
  }

  /** What was used or came to be needed since the look; looked for after the notice was posted. */
  async #findNeeded(
    batch: readonly Digest[],
    postedMs: number,
    signal: AbortSignal,
  ): Promise<ReadonlySet<Digest>> {
    const { storage, policy, reader } = this.#tools
    const unknown = new Set(batch)
    const needed = new Set<Digest>()
    for (const { digests } of await reader.readImages(signal))
      for (const digest of digests) if (unknown.has(digest)) needed.add(digest)
    await runInLanes(
      batch,
      callsAtOnce,
      async (digest) => {
        // Who publishes a blob claims it before, so its time needs no second look.
        const usedMs = await storage.upkeep.lastUse(digest, signal)
        if (usedMs !== undefined && isFresh(policy, usedMs, postedMs)) needed.add(digest)
      },
      signal,
    )
    return needed
  }

  /** The entries that lead to a blob go first, then the blob, then what is known of its use. */
  async #remove(digest: Digest, isInTime: () => boolean, signal: AbortSignal): Promise<void> {
    const { entries, upkeep } = this.#tools.storage
    for (const { kind, key } of this.#look.builds.get(digest) ?? []) {
      await entries.remove(kind, key, signal)
      this.builds += 1
    }
    // A process that was stopped in between wakes up when nobody heeds its notice any more.
    if (!isInTime()) return
    await upkeep.removeBlob(digest, signal)
    const blob = this.#look.blobs.get(digest)
    if (blob !== undefined) this.removed.set(digest, blob)
    await upkeep.forgetUse(digest, signal)
  }
}

/**
 * Uses of what is not there, as a collector leaves them that was ended. A notice tells who renews one
 * right now to do so again. There is at most one use per blob that is there, so those stay.
 */
async function forgetUses(
  { storage: { upkeep }, policy, notice }: CollectionTools,
  { uses, blobs, nowMs }: StorageLook,
  signal: AbortSignal,
): Promise<void> {
  const idle = [...uses].flatMap(([digest, usedMs]) =>
    blobs.has(digest) || isFresh(policy, usedMs, nowMs) ? [] : [digest],
  )
  for (let start = 0; start < idle.length; start += mostBatch) {
    const batch = idle.slice(start, start + mostBatch)
    const postedMs = await notice.post(batch)
    await runInLanes(
      batch,
      callsAtOnce,
      async (digest) => {
        const usedMs = await upkeep.lastUse(digest, signal)
        if (usedMs === undefined || isFresh(policy, usedMs, postedMs)) return
        await upkeep.forgetUse(digest, signal)
      },
      signal,
    )
    await notice.post([])
  }
}
