import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryObjects } from '#adapters/storage/memory/memory-objects.ts'
import { createStorage } from '#adapters/storage/object-storage.ts'
import { digestOf } from '#core/oci/digest.ts'
import type { VerifyReport } from '#engine/upkeep/storage-findings.ts'
import { verifyStorage } from '#engine/upkeep/verify-storage.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { runVerify, type VerifyTools } from './run-verify.ts'

const { signal } = new AbortController()
const objects = createMemoryObjects

const sound = { [`layers/${digestOf('sound').slice(7)}`]: 'sound', 'layers/notes.txt': '' }
const flipped = { ...sound, [`layers/${digestOf('other').slice(7)}`]: 'otter' }

/** A storage of these objects. */
async function setUp(files: Readonly<Record<string, string>>) {
  const stored = objects()
  const put = (key: string, text: string) => stored.put(key, Buffer.from(text), '', signal)
  for (const [key, text] of Object.entries(files)) await put(key, text)
  const tools: VerifyTools = {
    clock: createManualClock(),
    describeStorage: () => '/s',
    verify: ({ repair, observe }, signal) =>
      verifyStorage(
        createStorage(stored),
        { ...(repair && { repairAs: 'verify' }), observe },
        signal,
      ),
  }
  const out: string[] = []
  const err: string[] = []
  const run = async (...args: readonly string[]) => {
    out.length = 0
    err.length = 0
    const code = await runVerify(
      args,
      tools,
      { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) } },
      signal,
    )
    return { code, out: out.join(''), err: err.join('') }
  }
  return { run, put }
}

test('runVerify() says that all is sound, what it has read, and what is not its own', async () => {
  const { run } = await setUp(sound)
  const { err, ...answer } = await run()
  assert.match(err, /^reading 5 bytes\/5 bytes \(100 %\).*\n$/)
  assert.deepEqual(answer, {
    code: 0,
    out: 'left alone, because not made by nixery: layers/notes.txt\n/s is sound: 1 blob (5 bytes), 0 images and 0 layers in the caches\n',
  })
})

test('runVerify() lets no name of somebody else move the terminal', async () => {
  const { run, put } = await setUp(sound)
  await put('layers/two\nlines\u001b[2J', '')
  const { out } = await run()
  assert.match(out, /^left alone, .*layers\/two\\nlines\\u001b\[2J/)
})

test('runVerify() says that there is nothing at all', async () => {
  const { run } = await setUp({})
  assert.deepEqual(await run(), { code: 0, out: '/s is empty\n', err: '' })
})

test('runVerify() gives every finding a line, mends what it is told to, and is content after that', async () => {
  const { run } = await setUp(flipped)
  const digest = digestOf('other')
  const found = await run()
  assert.equal(found.code, 1)
  assert.match(
    found.out,
    new RegExp(
      `^corrupt blob ${digest}: its 5 bytes are not .*; no image needs it; with --repair it is moved into quarantine\\n`,
    ),
  )
  assert.match(
    found.out,
    /^1 finding in \/s among 2 blobs .*; cannot be used: 0 images, 0 cached layers; nothing was changed$/m,
  )
  const repaired = await run('--repair')
  assert.equal(repaired.code, 1)
  assert.match(repaired.out, /; no image needs it; moved into quarantine$/m)
  assert.match(repaired.out, /; 1 blob moved into quarantine; removed 0 images, 0 cached layers$/m)
  assert.equal((await run()).code, 0)
})

test('runVerify() prints the report as JSON', async () => {
  const { run } = await setUp(flipped)
  const { code, out } = await run('--json')
  const report = JSON.parse(out) as VerifyReport
  assert.equal(code, 1)
  assert.deepEqual(
    report.findings.map(({ kind }) => kind),
    ['corrupt-blob'],
  )
})

test('runVerify() answers a question for help, and refuses a wrong command line', async () => {
  const { run } = await setUp(flipped)
  const help = await run('--help')
  assert.deepEqual([help.code, help.err], [0, ''])
  assert.match(help.out, /^usage: nixery verify/)
  const wrong = await run('--fix')
  assert.deepEqual([wrong.code, wrong.out], [2, ''])
  assert.match(wrong.err, /^nixery: .*--fix.*\n\nusage: /)
})
