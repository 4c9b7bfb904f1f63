import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, statfs, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { DirectoryRoom } from './directory-room.ts'

const kibibyte = 1024

async function makeDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-directory-room-'))
  context.after(() => rm(directory, { recursive: true }))
  return directory
}

async function openRoom(context: TestContext, mostBytes: number): Promise<DirectoryRoom> {
  const directory = await makeDirectory(context)
  return new DirectoryRoom(directory, mostBytes, assert.ifError)
}

/** Keeps files of 16 KiB until there is no room; gives their number. */
function fill(room: DirectoryRoom): number {
  for (let files = 0; ; files += 1) {
    if (!room.take(16 * kibibyte)) return files
    room.keep(16 * kibibyte)
  }
}

test('DirectoryRoom takes an eighth of its bound before a look and another one while it looks', async (context) => {
  const room = await openRoom(context, 128 * kibibyte)
  assert.equal(fill(room), 4)
  assert.ok(!room.take(1))
  await room.settle()
  assert.equal(fill(room), 2, 'what came while it looked counts for the next one')
  await room.settle()
})

test('DirectoryRoom lets no more than half of its bound be unfinished', async (context) => {
  const room = await openRoom(context, 128 * kibibyte)
  assert.ok(room.take(64 * kibibyte))
  assert.ok(!room.take(1))
  room.giveBack(64 * kibibyte)
  assert.ok(room.take(64 * kibibyte))
  await room.settle()
})

test('DirectoryRoom takes no more than a quarter of what would be free without it', async (context) => {
  const directory = await makeDirectory(context)
  const { bavail, bsize } = await statfs(directory)
  const freeBytes = bavail * bsize
  // Holes take no room, but count as if they did: four files of half of what is free.
  for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
    const path = join(directory, name)
    await writeFile(path, '')
    await truncate(path, Math.floor(freeBytes / 2))
    await utimes(path, index, index)
  }
  const room = new DirectoryRoom(directory, 100 * freeBytes, assert.ifError)
  await room.look()
  assert.ok(room.boundBytes < freeBytes)
  assert.deepEqual(await readdir(directory), ['d'])
})
