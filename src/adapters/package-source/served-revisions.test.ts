import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ServedRevisions } from './served-revisions.ts'

async function open(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-served-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const served = await ServedRevisions.open(directory)
  return { directory, served, held: async () => revisionsOf(await served.all()) }
}

function revisionsOf(names: ReadonlySet<string>): readonly string[] {
  return [...names].filter((name) => !name.startsWith('.')).sort()
}

test('ServedRevisions.all() has what this process holds, until it gives it back', async (context) => {
  const { served, held } = await open(context)
  await served.hold('a')
  await served.hold('b')
  assert.deepEqual(await held(), ['a', 'b'])
  await served.release('a')
  assert.deepEqual(await held(), ['b'])
  await served.close()
  assert.deepEqual(await held(), [])
})

test('ServedRevisions.all() has what a peer holds, until it dies', async (context) => {
  const { directory, held } = await open(context)
  const module = join(import.meta.dirname, 'served-revisions.ts')
  const script = `const { ServedRevisions } = await import(${JSON.stringify(module)})
    const served = await ServedRevisions.open(${JSON.stringify(directory)})
    await served.hold('theirs')
    console.log('ready')
    setInterval(() => {}, 1000)`
  const peer = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const died = once(peer, 'exit').then(() => assert.fail('the peer died at its start'))
  await Promise.race([once(peer.stdout, 'data'), died])
  assert.deepEqual(await held(), ['theirs'])
  peer.kill('SIGKILL')
  await assert.rejects(died)
  assert.deepEqual(await held(), [])
})
