import type { Digest } from '#core/oci/digest.ts'
import type { CacheKey } from '#core/request/cache-key.ts'
import { countImages, findSuspects, isWhole, type Suspect } from './find-suspects.ts'
import type { EntryKind } from '../ports/entry-store.ts'
import { openNotice } from './posted-notice.ts'
import {
  readBlob,
  readStorage,
  type ReadableStorage,
  type Reference,
  type StorageContents,
} from './read-storage.ts'
import { runInLanes } from '../run-in-lanes.ts'
import type { StorageFinding, VerifyReport } from './storage-findings.ts'

export interface VerifyOptions {
  /**
   * The name under which notices tell instances what is being mended. Without one nothing is
   * changed.
   */
  readonly repairAs?: string
  /** Must not throw; must return at once. */
  readonly observe: (event: VerifyEvent) => void
}

export type VerifyEvent =
  | { readonly kind: 'reading'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: 'found'; readonly finding: StorageFinding }

/**
 * Reads a whole storage and says everything that is wrong with it. It may run beside instances and
 * collectors: what looks wrong is looked at again before it counts, and is mended under a notice, so
 * that nobody comes to rely on it meanwhile.
 *
 * Mending moves blobs with other bytes than their names say into quarantine, and removes entries and
 * manifests that lead to what is not there. The next pull makes all of it anew.
 */
export async function verifyStorage(
  storage: ReadableStorage,
  { repairAs, observe }: VerifyOptions,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const onProgress = (doneBytes: number, totalBytes: number) =>
    observe({ kind: 'reading', doneBytes, totalBytes })
  const contents = await readStorage(storage, onProgress, signal)
  const verification = new Verification(storage, contents, repairAs, signal)
  await verification.run((finding) => observe({ kind: 'found', finding }))
  return verification.report()
}

// A notice of 500 images names some 1,500 documents, which is 100 KB of JSON.
const imagesPerNotice = 500

// Small and far away: most of the time of each goes by waiting.
const looksAtOnce = 16

class Verification {
  readonly #storage: ReadableStorage
  readonly #contents: StorageContents
  readonly #repairAs: string | undefined
  readonly #signal: AbortSignal
  readonly #findings: StorageFinding[] = []
  readonly #missing = new Set<Digest>()
  #report: (finding: StorageFinding) => void = () => {}
  #imageCounts: ReadonlyMap<Digest, number> | undefined
  #quarantined = 0
  readonly #damaged = { images: 0, builds: 0, manifests: 0 }

  constructor(
    storage: ReadableStorage,
    contents: StorageContents,
    repairAs: string | undefined,
    signal: AbortSignal,
  ) {
    this.#storage = storage
    this.#contents = contents
    this.#repairAs = repairAs
    this.#signal = signal
  }

  async run(report: (finding: StorageFinding) => void): Promise<void> {
    this.#report = report
    // Looking at one may take it out of the set, which a loop over a set allows.
    for (const digest of this.#contents.wrong) await this.#lookAtBlob(digest)
    await this.#lookAtUnreadable()
    await this.#each(this.#contents.builds, (key, layer) => this.#lookAtBuild(key, layer))
    const suspects = findSuspects(this.#contents)
    for (let start = 0; start < suspects.length; start += imagesPerNotice)
      await this.#lookAtImages(suspects.slice(start, start + imagesPerNotice))
    for (const digest of this.#missing)
      this.#find({ kind: 'missing-blob', digest, images: this.#imagesNeeding(digest) })
  }

  report(): VerifyReport {
    const { blobs, builds, images, foreignKeys } = this.#contents
    return {
      blobs: blobs.size,
      sizeBytes: blobs.values().reduce((sum, sizeBytes) => sum + sizeBytes, 0),
      builds: builds.size,
      manifests: images.size,
      findings: this.#findings,
      foreignKeys,
      damaged: { ...this.#damaged },
      isRepaired: this.#repairAs !== undefined,
      quarantined: this.#quarantined,
    }
  }

  /** Read once more: it may have been replaced meanwhile, or come wrong over the network. */
  async #lookAtBlob(digest: Digest): Promise<void> {
    const { blobs: stored, upkeep } = this.#storage
    await this.#underNotice([digest], async () => {
      const read = await readBlob(stored, digest, this.#signal)
      if (read?.isWhole !== false) {
        const { wrong, blobs, documents } = this.#contents
        wrong.delete(digest)
        if (read === undefined) blobs.delete(digest)
        if (read?.references !== undefined) documents.set(digest, read.references)
        return
      }
      this.#find(this.#describeWrong(digest))
      if (this.#repairAs === undefined) return
      if (await upkeep.quarantineBlob(digest, this.#signal)) this.#quarantined += 1
    })
  }

  #describeWrong(digest: Digest): StorageFinding {
    const sizeBytes = this.#contents.blobs.get(digest) ?? 0
    const expectedBytes = this.#contents.sizes.get(digest)
    const images = this.#imagesNeeding(digest)
    // What nothing refers to has no size that it should have; empty files are what crashes leave.
    return sizeBytes < (expectedBytes ?? 1)
      ? {
          kind: 'truncated-blob',
          digest,
          sizeBytes,
          ...(expectedBytes === undefined ? {} : { expectedBytes }),
          images,
        }
      : { kind: 'corrupt-blob', digest, sizeBytes, images }
  }

  #imagesNeeding(digest: Digest): number {
    this.#imageCounts ??= countImages(this.#contents)
    return this.#imageCounts.get(digest) ?? 0
  }

  async #lookAtUnreadable(): Promise<void> {
    const { builds, images } = this.#contents
    const lookIn = (folder: EntryKind, entries: ReadonlyMap<CacheKey, unknown>) =>
      this.#each(entries, async (key, entry) => {
        if (entry !== undefined || !(await this.#isStored(folder, key))) return
        this.#find({ kind: 'unreadable-entry', folder, key })
        await this.#removeEntry(folder, key)
      })
    await lookIn('builds', builds)
    await lookIn('manifests', images)
  }

  async #lookAtBuild(key: CacheKey, layer: Reference | undefined): Promise<void> {
    if (layer === undefined || isWhole(this.#contents, layer)) return
    const { digest } = layer
    if (this.#contents.wrong.has(digest)) return this.#removeEntry('builds', key)
    if (!(await this.#isStored('builds', key)) || !(await this.#isLacking(digest))) return
    this.#find({ kind: 'dangling-build', key, digest })
    await this.#removeEntry('builds', key)
  }

  async #lookAtImages(suspects: readonly Suspect[]): Promise<void> {
    const documents = suspects.flatMap(({ useless }) => useless)
    await this.#underNotice(documents, () =>
      runInLanes(suspects, looksAtOnce, (suspect) => this.#lookAtImage(suspect), this.#signal),
    )
  }

  async #lookAtImage({ key, about, manifests, useless, lacks }: Suspect): Promise<void> {
    const { wrong } = this.#contents
    const isThere =
      key === undefined
        ? (await this.#storage.blobs.stat(manifests[0]!, this.#signal)) !== undefined
        : await this.#isStored('manifests', key)
    if (!isThere) return
    const lost: Digest[] = []
    for (const digest of lacks)
      if (!wrong.has(digest) && (await this.#isLacking(digest))) lost.push(digest)
    if (lost.length > 0)
      this.#find({
        kind: 'dangling-manifest',
        ...(key && { key }),
        ...(about && { about }),
        manifests,
        lacks: lost,
      })
    else if (!lacks.some((digest) => wrong.has(digest))) return
    if (key === undefined) this.#damaged.manifests += 1
    else await this.#removeEntry('manifests', key)
    for (const digest of useless) await this.#removeDocument(digest)
  }

  /** Whether a blob is as unusable as it was when everything was read. */
  async #isLacking(digest: Digest): Promise<boolean> {
    const stat = await this.#storage.blobs.stat(digest, this.#signal)
    if (stat === undefined) this.#missing.add(digest)
    return stat === undefined || stat.sizeBytes === this.#contents.blobs.get(digest)
  }

  async #isStored(folder: EntryKind, key: CacheKey): Promise<boolean> {
    return (await this.#storage.entries.get(folder, key, this.#signal)) !== undefined
  }

  async #removeEntry(folder: EntryKind, key: CacheKey): Promise<void> {
    if (this.#repairAs !== undefined) await this.#storage.entries.remove(folder, key, this.#signal)
    this.#damaged[folder === 'manifests' ? 'images' : 'builds'] += 1
  }

  async #removeDocument(digest: Digest): Promise<void> {
    if (this.#repairAs === undefined || this.#contents.wrong.has(digest)) return
    await this.#storage.upkeep.removeBlob(digest, this.#signal)
  }

  #find(finding: StorageFinding): void {
    this.#findings.push(finding)
    this.#report(finding)
  }

  #each<Entry>(
    entries: ReadonlyMap<CacheKey, Entry>,
    look: (key: CacheKey, entry: Entry) => Promise<void>,
  ): Promise<void> {
    return runInLanes(entries, looksAtOnce, ([key, entry]) => look(key, entry), this.#signal)
  }

  /** Builds wait with what the notice names until it is withdrawn. */
  async #underNotice(digests: readonly Digest[], work: () => Promise<void>): Promise<void> {
    if (this.#repairAs === undefined || digests.length === 0) return work()
    await using notice = openNotice(this.#storage.upkeep, this.#repairAs, this.#signal)
    await notice.post(digests)
    await work()
  }
}
