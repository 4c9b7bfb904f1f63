import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { retry } from './retry.ts'

const signal = new AbortController().signal
const random = () => 0.5

/** Work that fails with the codes in turn, then gives `done`. */
function failingWork(codes: readonly OperatingCode[]) {
  const work = { tries: 0 }
  const run = async () => {
    const code = codes[work.tries]
    work.tries += 1
    if (code !== undefined) throw new OperatingError(code, `try ${work.tries} fails`)
    return 'done'
  }
  return { work, run }
}

test('retry() waits longer after every failure', async () => {
  const clock = createManualClock()
  const { work, run } = failingWork(Array(4).fill('STORAGE_BUSY'))
  const result = retry(run, { clock, random }, signal)
  for (const [index, delayMs] of [750, 1500, 3000, 6000].entries()) {
    await turn()
    clock.advance(delayMs - 1)
    await turn()
    assert.equal(work.tries, index + 1)
    clock.advance(1)
  }
  assert.equal(await result, 'done')
})

test('retry() throws at once what another try would not mend', async () => {
  const clock = createManualClock()
  const { work, run } = failingWork(['BUCKET_DENIED'])
  await assert.rejects(retry(run, { clock, random }, signal), { code: 'BUCKET_DENIED' })
  assert.equal(work.tries, 1)
})

test('retry() throws the seventh failure', async () => {
  const clock = createManualClock()
  const { run } = failingWork(Array(8).fill('STORAGE_BUSY'))
  const refused = assert.rejects(retry(run, { clock, random }, signal), /try 7 fails/)
  for (let tries = 1; tries < 7; tries += 1) {
    await turn()
    clock.advance(750 * 2 ** (tries - 1))
  }
  await refused
})

test('retry() tries no more two minutes after the first failure', async () => {
  const clock = createManualClock()
  const tries = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let count = 0
  const run = () => {
    count += 1
    return tries[count - 1]?.promise ?? Promise.reject(new Error('one too many'))
  }
  const refused = assert.rejects(retry(run, { clock, random }, signal), /the second fails late/)
  clock.advance(600_000)
  tries[0]?.reject(new OperatingError('STORAGE_BUSY', 'the first fails late'))
  await turn()
  clock.advance(750)
  await turn()
  clock.advance(120_000)
  tries[1]?.reject(new OperatingError('STORAGE_BUSY', 'the second fails late'))
  await refused
})

test('retry() ends with the reason of its signal', async () => {
  const clock = createManualClock()
  const ending = new AbortController()
  const { work, run } = failingWork(Array(2).fill('STORAGE_BUSY'))
  const refused = assert.rejects(retry(run, { clock, random }, ending.signal), /enough/)
  await turn()
  ending.abort(new Error('enough'))
  await refused
  clock.advance(10_000)
  await turn()
  assert.equal(work.tries, 1)
})

test('retry() keeps a process alive that waits for nothing else', async () => {
  const script = `
    const { retry } = await import(${JSON.stringify(join(import.meta.dirname, 'retry.ts'))})
    const { systemClock: clock } = await import('#adapters/time/system-clock.ts')
    const { OperatingError } = await import('#engine/operating-error.ts')
    let tries = 0
    const work = async () => {
      tries += 1
      if (tries === 1) throw new OperatingError('STORAGE_BUSY', 'once')
      return 'done'
    }
    console.log(await retry(work, { clock, random: () => 0 }, new AbortController().signal))`
  const args = ['--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
  assert.equal(stdout, 'done\n')
})
