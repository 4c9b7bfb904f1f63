import assert from 'node:assert/strict'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { TarHeader } from '#core/tar/tar-header.ts'
import { readStorePath, UnpackableError, type EntrySink } from './read-store-path.ts'

test('readStorePath() refuses a file that shrinks after its header', (t) => {
  const source = writeFile(t, 'hello')
  check(source, () => truncateSync(source, 3), /file no longer has the 5 bytes/)
})

test('readStorePath() refuses a file that grows after its header', (t) => {
  const source = writeFile(t, 'hello')
  check(source, () => appendFileSync(source, '!'), /file no longer has the 5 bytes/)
})

test('readStorePath() refuses a file that vanishes after its header', (t) => {
  const source = writeFile(t, 'hello')
  check(source, () => rmSync(source), /ENOENT.*file/)
})

test('readStorePath() refuses a socket', async (t) => {
  const source = join(newDirectory(t), 'socket')
  const server = createServer().listen(source)
  t.after(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  check(source, () => {}, /socket is neither/)
})

test('readStorePath() orders by whole paths', (t) => {
  const source = newDirectory(t)
  mkdirSync(join(source, 'a'))
  for (const name of ['a/b', 'a-', 'a.b', 'a0', 'aa', 'B']) writeFileSync(join(source, name), '')
  const paths = headersOf(source).map(({ path }) => path)
  assert.deepEqual(paths, paths.toSorted())
  assert.equal(paths.length, 8)
})

function check(source: string, change: () => void, message: RegExp): void {
  assert.throws(
    () => headersOf(source, change),
    (error: Error) => {
      assert.match(error.message, message)
      assert.ok(error instanceof UnpackableError || 'code' in error)
      return true
    },
  )
}

/** Reads a tree, with something done to it after each header. */
function headersOf(source: string, change = () => {}): TarHeader[] {
  const headers: TarHeader[] = []
  const room = Buffer.alloc(2)
  const sink: EntrySink = {
    header: (header) => {
      headers.push(header)
      change()
    },
    room: () => room,
    advance: () => {},
    pad: () => {},
  }
  readStorePath({ source, path: 'p' }, sink)
  return headers
}

function newDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'packing-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

function writeFile(t: TestContext, contents: string): string {
  const source = join(newDirectory(t), 'file')
  writeFileSync(source, contents)
  return source
}
