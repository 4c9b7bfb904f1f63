import type { Digest } from '#core/oci/digest.ts'
import { abortable } from './abortable.ts'
import { OperatingError, type OperatingCode } from './operating-error.ts'
import type { Clock } from './ports/clock.ts'
import type { StorageUpkeep } from './ports/storage-upkeep.ts'
import { pause } from './pause.ts'
import { runInLanes } from './run-in-lanes.ts'

/**
 * How builds and pulls keep a collector from removing what they rely on. Both sides write before they
 * read, so one of them always sees the other:
 *
 *     who relies on a blob      records its use, then reads the notices
 *     who removes it            posts a notice, then reads the uses
 */
export interface BlobClaims {
  /**
   * Says that the caller relies on blobs from now on, whether or not they are there. Gives those that a
   * collector is about to remove: they count as missing. The others stay for as long as the collector's
   * grace, so what is looked for after a claim and found stays.
   */
  claim(digests: readonly Digest[], signal: AbortSignal): Promise<ReadonlySet<Digest>>

  /** Whether a claim of this process stands: claiming the blob again would change nothing. */
  holds(digest: Digest): boolean

  /** Claims what the caller is about to publish, as soon as no collector is about to remove it. */
  claimWhenFree(digest: Digest, signal: AbortSignal): Promise<void>
}

export interface ClaimOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
  readonly clock: Clock
  /** For tests: how old a claim gets before it is repeated. */
  readonly repeatMs?: number
}

// Far below the grace of an hour, so that what a client is told just before a claim is repeated stays
// for the length of its download; long enough that busy images cost hardly anything.
const usualRepeatMs = 10 * 60 * 1000

// Some 200 bytes each: 20 MB. What is forgotten is claimed again sooner than need be.
const mostClaims = 100_000

// A bucket answers each in some ten milliseconds, and an image has up to a hundred layers.
const recordsAtOnce = 16

// A collector works off a notice within seconds, but one that died is waited for, and buckets take one
// write of an object a second.
const firstPollMs = 250
const longestPollMs = 4000

/**
 * For how long a notice counts. Its collector stops removing after a third of that: the rest forgives
 * clocks that go wrong by minutes, and calls that take long.
 */
export const noticeLifeMs = 15 * 60 * 1000

/** The claims of one process; see `BlobClaims`. */
export function createClaims(
  upkeep: Pick<StorageUpkeep, 'recordUse' | 'notices'>,
  { nowMs, clock, repeatMs = usualRepeatMs }: ClaimOptions,
): BlobClaims {
  // Oldest first.
  const claimed = new Map<Digest, number>()
  const recording = new Map<Digest, Promise<boolean>>()
  // A record that several callers wait for must not end with the first one who leaves.
  const { signal: nobodysSignal } = new AbortController()

  function isClaimed(digest: Digest): boolean {
    const ageMs = nowMs() - (claimed.get(digest) ?? Number.NEGATIVE_INFINITY)
    // A clock that was set back says nothing about the age.
    return ageMs >= 0 && ageMs < repeatMs
  }

  function remember(digest: Digest, sinceMs: number): void {
    claimed.delete(digest)
    claimed.set(digest, sinceMs)
    const [oldest] = claimed.keys()
    if (claimed.size > mostClaims && oldest !== undefined) claimed.delete(oldest)
  }

  function record(digest: Digest): Promise<boolean> {
    const running = recording.get(digest)
    if (running !== undefined) return running
    const record = upkeep
      .recordUse(digest, nobodysSignal)
      .then(() => true, toleratesUnwritable)
      .finally(() => recording.delete(digest))
    recording.set(digest, record)
    return record
  }

  async function readDoomed(signal: AbortSignal): Promise<ReadonlySet<Digest>> {
    const notices = await upkeep.notices(signal)
    const current = [...notices.values()].filter(({ untilMs }) => nowMs() < untilMs)
    return new Set(current.flatMap(({ digests }) => digests))
  }

  async function claim(
    digests: readonly Digest[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<Digest>> {
    const wanted = new Set(digests.filter((digest) => !isClaimed(digest)))
    if (wanted.size === 0) return wanted
    const sinceMs = nowMs()
    const recorded = new Set<Digest>()
    const recordOne = async (digest: Digest) => {
      if (await abortable(record(digest), signal)) recorded.add(digest)
    }
    await runInLanes(wanted, recordsAtOnce, recordOne, signal)
    const doomed = (await readDoomed(signal)).intersection(wanted)
    for (const digest of recorded.difference(doomed)) remember(digest, sinceMs)
    return doomed
  }

  /** The collector may have forgotten a use that was recorded while its notice was there. */
  async function claimWhenFree(digest: Digest, signal: AbortSignal): Promise<void> {
    for (let waitedMs = 0; waitedMs <= noticeLifeMs;) {
      if ((await claim([digest], signal)).size === 0) return
      const delayMs = Math.min(Math.max(firstPollMs, waitedMs), longestPollMs)
      await pause(clock, delayMs, signal)
      waitedMs += delayMs
    }
    throw new OperatingError('STORAGE_BUSY', `a garbage collector holds ${digest} for too long`)
  }

  return { claim, holds: isClaimed, claimWhenFree }
}

const unwritable: readonly OperatingCode[] = ['NO_SPACE', 'NO_PERMISSION', 'BUCKET_DENIED']

/**
 * Images are served from a storage that is full or read-only all the same. From a full one a collector
 * may remove what no use could be recorded of: then one pull fails, and without this all would.
 */
function toleratesUnwritable(error: unknown): false {
  if (error instanceof OperatingError && unwritable.includes(error.code)) return false
  throw error
}
