import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkBlobs } from '#adapters/storage/checked/check-blobs.ts'
import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import { digestHex, digestOf } from '#core/oci/digest.ts'
import { createRegistryServer } from './registry-server.ts'

const bytes = randomBytes(2_000_000)
const digest = digestOf(bytes)

/** A server of one blob in a directory, whose opened files are noted. */
async function startRegistry(context: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'nixery-served-'))
  const storage = await openFilesystemStorage(root)
  const path = join(root, 'layers', digestHex(digest))
  await writeFile(path, bytes)
  await utimes(path, 1, 1)
  const { openFile } = storage.blobs
  assert.ok(openFile, 'the tests run on a file system of this machine')
  const checked = checkBlobs(
    {
      ...storage,
      blobs: {
        ...storage.blobs,
        // The kernel's clock has not ticked since the file was written; the test says that it has.
        openFile: async (...args) => {
          const file = await openFile(...args)
          return file && Object.defineProperty(file, 'isSettled', { value: true })
        },
      },
    },
    { observe: () => {} },
  )
  let sound = 0
  const blobs = {
    ...checked,
    openSound: async () => {
      const file = await checked.openSound?.(digest)
      if (file !== undefined) sound += 1
      return file
    },
  }
  const server = createRegistryServer({
    registry: () => ({
      blobs,
      manifest: () => assert.fail(),
      storedManifest: () => assert.fail(),
      refuse: () => assert.fail(),
      near: () => assert.fail(),
    }),
    log: { request: () => {}, failure: assert.fail },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(async () => {
    server.close().closeAllConnections()
    await storage.close()
    await rm(root, { recursive: true })
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/x/blobs/${digest}`
  const send = async (init: RequestInit = {}) => {
    const answer = await fetch(url, init)
    const { date: _date, ...headers } = Object.fromEntries(answer.headers)
    return { status: answer.status, headers, body: Buffer.from(await answer.arrayBuffer()) }
  }
  return { send, path, soundCount: () => sound }
}

const requests: readonly RequestInit[] = [
  {},
  { method: 'HEAD' },
  ...['bytes=0-4', 'bytes=1999999-', 'bytes=-70000', 'bytes=5-1500000', 'bytes=2000000-'].map(
    (range) => ({ headers: { range } }),
  ),
  { headers: { range: 'bytes=0-4', 'if-range': '"other"' } },
  { headers: { 'if-none-match': `"${digest}"` } },
]

test('a blob that is known to be right is answered like any other', async (context) => {
  const { send, soundCount } = await startRegistry(context)
  // A request that reads all of it comes last, so that none before is answered from the file.
  const compared = await Promise.all(requests.slice(1, 7).map(send))
  assert.equal(soundCount(), 0)
  const whole = await send()
  assert.ok(whole.body.equals(bytes))
  assert.deepEqual(await Promise.all(requests.slice(1, 7).map(send)), compared)
  assert.equal(soundCount(), 6)
  assert.deepEqual(await send(), whole)
  assert.deepEqual(await send(requests[7]), whole)
  const known = await send(requests[8])
  assert.deepEqual([known.status, known.headers['etag']], [304, `"${digest}"`])
  assert.equal(soundCount(), 9)
})

test('nobody gets a blob whole that was changed after it was known to be right', async (context) => {
  const { send, path, soundCount } = await startRegistry(context)
  await send()
  await send()
  assert.equal(soundCount(), 1)
  await writeFile(path, randomBytes(bytes.length))
  await assert.rejects(send())
  assert.equal((await send()).status, 404, 'it is out of the way, and is made again')
  assert.equal(soundCount(), 1)
})
