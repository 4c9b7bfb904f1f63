import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { OperatingError } from '#engine/operating-error.ts'
import { watchBody } from './watch-body.ts'

const stallMs = 1000
const explain = (error: unknown, doing: string) =>
  error instanceof OperatingError ? error : new Error(doing, { cause: error })

function watched(): readonly [PassThrough, Readable] {
  const body = new PassThrough()
  return [body, watchBody(body, { doing: 'cannot read layers/ab', stallMs, explain })]
}

test('watchBody() passes the bytes on', async () => {
  const [body, stream] = watched()
  body.write('hello ')
  body.end('world')
  assert.equal((await buffer(stream)).toString(), 'hello world')
})

test('watchBody() ends a download from which nothing comes', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const [body, stream] = watched()
  body.write('hello')
  const read = assert.rejects(buffer(stream), {
    code: 'STORAGE_BUSY',
    message: 'cannot read layers/ab: nothing came for 1000 ms',
  })
  for (let turns = 0; turns < 20; turns += 1) await turn()
  context.mock.timers.tick(stallMs)
  await read
  assert.ok(body.destroyed)
})

test('watchBody() waits for a slow reader as long as it takes', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const [body, stream] = watched()
  // More than what is read ahead, so that the body has to wait for the reader.
  const bytes = Buffer.alloc(1024 * 1024, 'x')
  body.end(bytes)
  await once(stream, 'readable')
  for (let turns = 0; turns < 20; turns += 1) await turn()
  context.mock.timers.tick(100 * stallMs)
  assert.deepEqual(await buffer(stream), bytes)
})

test('watchBody() ends a download that falls silent after its reader was slow', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const [body, stream] = watched()
  body.write(Buffer.alloc(1024 * 1024))
  await once(stream, 'readable')
  context.mock.timers.tick(100 * stallMs)
  const read = assert.rejects(buffer(stream), { code: 'STORAGE_BUSY' })
  for (let turns = 0; turns < 50; turns += 1) await turn()
  context.mock.timers.tick(stallMs)
  await read
})

test('watchBody() tells of a lost connection', async () => {
  const [body, stream] = watched()
  body.write('hello')
  body.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
  await assert.rejects(buffer(stream), { message: 'cannot read layers/ab' })
})

test('watchBody() ends the download when its reader leaves, whether or not it has read', async () => {
  for (const reads of [false, true]) {
    const [body, stream] = watched()
    if (reads) stream.resume()
    await turn()
    stream.destroy()
    await once(stream, 'close')
    assert.ok(body.destroyed)
  }
})
