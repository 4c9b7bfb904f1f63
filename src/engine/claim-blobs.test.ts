import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { createClaims, noticeLifeMs } from './claim-blobs.ts'
import { OperatingError } from './operating-error.ts'
import type { StorageUpkeep } from './ports/storage-upkeep.ts'

const { signal } = new AbortController()
const [one, other] = ['one', 'other'].map((text) => digestOf(text)) as [Digest, Digest]
const minuteMs = 60_000

/** Claims over memory, with a time that tests move and a record of what the storage is asked. */
function start(change: (upkeep: StorageUpkeep) => Partial<StorageUpkeep> = () => ({})) {
  const { upkeep } = createMemoryStorage()
  const clock = createManualClock()
  const calls: string[] = []
  const changed = { ...upkeep, ...change(upkeep) }
  let nowMs = 1_000_000
  const claims = createClaims(
    {
      recordUse(digest, until) {
        calls.push(digest)
        return changed.recordUse(digest, until)
      },
      notices(until) {
        calls.push('notices')
        return changed.notices(until)
      },
    },
    { nowMs: () => nowMs, clock },
  )
  const pass = (ms: number) => {
    nowMs += ms
    clock.advance(ms)
  }
  const post = (digests: readonly Digest[], lifeMs = minuteMs) =>
    upkeep.postNotice('collector', { digests, untilMs: nowMs + lifeMs }, signal)
  return { upkeep, claims, calls, pass, post }
}

test('claim() records uses before it reads notices', async () => {
  const { claims, calls, upkeep } = start()
  assert.deepEqual(await claims.claim([one, other], signal), new Set())
  assert.deepEqual(calls, [one, other, 'notices'])
  assert.notEqual(await upkeep.lastUse(one, signal), undefined)
})

test('claim() asks nothing again for ten minutes', async () => {
  const { claims, calls, pass } = start()
  await claims.claim([one], signal)
  pass(9 * minuteMs)
  await claims.claim([one], signal)
  assert.equal(calls.length, 2)
  await claims.claim([one, other], signal)
  assert.deepEqual(calls.slice(2), [other, 'notices'])
  pass(minuteMs)
  await claims.claim([one], signal)
  assert.deepEqual(calls.slice(4), [one, 'notices'])
})

test('claim() is repeated when the clock was set back', async () => {
  const { claims, calls, pass } = start()
  await claims.claim([one], signal)
  pass(-60 * minuteMs)
  await claims.claim([one], signal)
  assert.equal(calls.length, 4)
})

test('claim() gives what a current notice names, and asks again the next time', async () => {
  const { claims, post, pass, upkeep } = start()
  await post([one])
  assert.deepEqual(await claims.claim([one, other], signal), new Set([one]))
  assert.deepEqual(await claims.claim([one], signal), new Set([one]))
  await upkeep.withdrawNotice('collector', signal)
  assert.deepEqual(await claims.claim([one], signal), new Set())
  await post([other])
  assert.deepEqual(await claims.claim([other], signal), new Set(), 'claimed before the notice')
  pass(10 * minuteMs)
  assert.deepEqual(await claims.claim([other], signal), new Set(), 'the notice has run out')
})

test('claims of one blob at once are one record, which outlives the caller who leaves', async () => {
  const recorded = Promise.withResolvers<void>()
  const { claims, calls } = start(() => ({ recordUse: () => recorded.promise }))
  const leaving = new AbortController()
  const left = claims.claim([one], leaving.signal)
  const stays = claims.claim([one], signal)
  leaving.abort(new Error('gone'))
  await assert.rejects(left, /gone/)
  recorded.resolve()
  assert.deepEqual(await stays, new Set())
  assert.deepEqual(calls, [one, 'notices'])
})

test('claim() that failed is no claim', async () => {
  let fails = true
  const { claims, calls } = start((upkeep) => ({
    async recordUse(digest, until) {
      if (fails) throw new Error('disk')
      return upkeep.recordUse(digest, until)
    },
  }))
  await assert.rejects(claims.claim([one], signal), /disk/)
  fails = false
  await claims.claim([one], signal)
  assert.deepEqual(calls, [one, one, 'notices'])
})

test('claimWhenFree() waits until the notice is withdrawn or has run out', async () => {
  for (const end of ['withdrawn', 'run out'] as const) {
    const { claims, post, pass, upkeep, calls } = start()
    await post([one])
    let isFree = false
    const waiting = claims.claimWhenFree(one, signal).then(() => (isFree = true))
    await settle()
    pass(1000)
    await settle()
    assert.equal(isFree, false)
    if (end === 'withdrawn') await upkeep.withdrawNotice('collector', signal)
    pass(end === 'withdrawn' ? 1000 : minuteMs)
    await waiting
    assert.deepEqual(calls.slice(-2), [one, 'notices'], 'recorded anew')
  }
})

test('claimWhenFree() gives up, and ends with its caller', async () => {
  const { claims, post, pass, calls } = start()
  await post([one], Number.MAX_SAFE_INTEGER / 2)
  const leaving = new AbortController()
  const left = claims.claimWhenFree(one, leaving.signal)
  await settle()
  leaving.abort(new Error('gone'))
  await assert.rejects(left, /gone/)

  const waiting = claims.claimWhenFree(one, signal)
  waiting.catch(() => {})
  for (let waitedMs = 0; waitedMs <= noticeLifeMs + 4000; waitedMs += 250) {
    await settle()
    pass(250)
  }
  await assert.rejects(waiting, { code: 'STORAGE_BUSY' })
  assert.ok(calls.length < 500, 'less often as time goes by')
})

/** Lets everything run that waits for nothing but promises. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

test('claim() of a storage that cannot be written to reads the notices, each time', async () => {
  for (const code of ['NO_SPACE', 'NO_PERMISSION', 'BUCKET_DENIED'] as const) {
    const { claims, calls, post } = start(() => ({
      recordUse: async () => {
        throw new OperatingError(code, 'nothing is written here')
      },
    }))
    await post([other])
    assert.deepEqual(await claims.claim([one, other], signal), new Set([other]))
    assert.deepEqual(await claims.claim([one], signal), new Set())
    assert.deepEqual(calls, [one, other, 'notices', one, 'notices'])
  }
})
