import { isFresh, type RetentionPolicy } from '#core/retention/retention-policy.ts'
import type { CollectableStorage, LookedEntry, StorageLook } from './look-at-storage.ts'
import { runInLanes } from '../run-in-lanes.ts'
import { parseBuildEntry, parseManifestEntry } from '../stored-entries.ts'

/** Entries that nobody can use. */
export interface StaleEntries {
  /** What is no entry. */
  readonly unreadable: readonly LookedEntry[]
  /** Lead to a layer that is not there. */
  readonly dangling: readonly LookedEntry[]
}

const callsAtOnce = 16

/** Images that lack something are no business of a collector: the next pull mends them. */
export function findStaleEntries(
  { builds, blobs, unreadable, nowMs }: StorageLook,
  policy: RetentionPolicy,
): StaleEntries {
  const isOld = ({ changedMs }: LookedEntry) => !isFresh(policy, changedMs, nowMs)
  return {
    unreadable: unreadable.filter(isOld),
    dangling: [...builds].flatMap(([layer, entries]) =>
      blobs.has(layer) ? [] : entries.filter(isOld),
    ),
  }
}

/** Looks once more before each is removed: somebody may have mended it. */
export async function removeStaleEntries(
  { entries, blobs }: CollectableStorage,
  { unreadable, dangling }: StaleEntries,
  signal: AbortSignal,
): Promise<void> {
  const isUsable = async ({ kind, key }: LookedEntry) => {
    const value = await entries.get(kind, key, signal)
    if (kind === 'manifests') return parseManifestEntry(value) !== undefined
    const entry = parseBuildEntry(value)
    return entry !== undefined && (await blobs.stat(entry.digest, signal)) !== undefined
  }
  await runInLanes(
    [...unreadable, ...dangling],
    callsAtOnce,
    async (entry) => {
      if (!(await isUsable(entry))) await entries.remove(entry.kind, entry.key, signal)
    },
    signal,
  )
}
