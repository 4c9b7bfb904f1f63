import type { Digest } from '#core/oci/digest.ts'
import { noticeLifeMs } from '../claim-blobs.ts'
import type { StorageUpkeep } from '../ports/storage-upkeep.ts'

/** Another collector works on the storage, or died doing so: it is left alone until then. */
export interface CollectorBusy {
  readonly kind: 'busy'
  readonly collector: string
  readonly untilMs: number
}

/** What one running collector says of itself and of what it is about to remove. */
export interface PostedNotice extends AsyncDisposable {
  readonly kind: 'posted'
  /** Replaces what was said before; gives the time by the storage's clock from which it counts. */
  post(digests: readonly Digest[]): Promise<number>
}

/** Finds another collector whose notice counts. */
export async function findBusyCollector(
  upkeep: StorageUpkeep,
  collector: string,
  nowMs: number,
  signal: AbortSignal,
): Promise<CollectorBusy | undefined> {
  for (const [other, { untilMs }] of await upkeep.notices(signal))
    if (other !== collector && nowMs < untilMs) return { kind: 'busy', collector: other, untilMs }
  return undefined
}

// A bucket may carry out what was broken off, and that after the withdrawal; both calls are small and
// have their own deadlines.
const unbroken = new AbortController().signal

/**
 * A notice that says nothing yet. Whatever happens to its posts, it is withdrawn when it is disposed
 * of: those who need what it names wait for that.
 */
export function openNotice(
  upkeep: StorageUpkeep,
  collector: string,
  signal: AbortSignal,
): PostedNotice {
  return {
    kind: 'posted',
    async post(digests) {
      const nowMs = await upkeep.nowMs(signal)
      await upkeep.postNotice(collector, { digests, untilMs: nowMs + noticeLifeMs }, unbroken)
      return nowMs
    },
    [Symbol.asyncDispose]: () => upkeep.withdrawNotice(collector, unbroken),
  }
}

/**
 * Says that a collector is at work, unless another one is. Of two that begin at once both give way at
 * worst. One at a time is politeness only: each alone keeps what somebody claims.
 */
export async function postNotice(
  upkeep: StorageUpkeep,
  collector: string,
  signal: AbortSignal,
): Promise<PostedNotice | CollectorBusy> {
  const find = (nowMs: number) => findBusyCollector(upkeep, collector, nowMs, signal)
  const before = await find(await upkeep.nowMs(signal))
  if (before !== undefined) return before
  await using unlessPosted = new AsyncDisposableStack()
  const notice = unlessPosted.use(openNotice(upkeep, collector, signal))
  const meanwhile = await find(await notice.post([]))
  if (meanwhile !== undefined) return meanwhile
  unlessPosted.move()
  return notice
}
