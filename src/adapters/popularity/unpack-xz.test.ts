import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { unpackXz } from './unpack-xz.ts'

const signal = new AbortController().signal

suite('unpackXz()', { skip: skipUnless(['xz']) }, () => {
  const pack = (bytes: Uint8Array) => execFileSync('xz', ['--stdout', '-9'], { input: bytes })

  test('gives the bytes that were packed', async () => {
    const bytes = Buffer.from('/nix/store\n'.repeat(100_000))
    assert.deepEqual(await unpackXz(pack(bytes), bytes.length, signal), bytes)
  })

  test('stops at what unpacks to more than is allowed', async () => {
    const bomb = pack(Buffer.alloc(50_000_000))
    assert.ok(bomb.length < 10_000)
    await assert.rejects(unpackXz(bomb, 1_000_000, signal), /unpacks to more than 1000000 bytes/)
  })

  test('says that xz is missing when it is', async (context) => {
    const path = process.env['PATH']
    context.after(() => (process.env['PATH'] = path))
    process.env['PATH'] = '/nonexistent'
    await assert.rejects(unpackXz(Buffer.from('x'), 1, signal), /install xz-utils/)
  })

  test('ends with the signal', async () => {
    const stopping = new AbortController()
    const unpacking = unpackXz(pack(Buffer.alloc(50_000_000)), 100_000_000, stopping.signal)
    stopping.abort(new Error('stop'))
    await assert.rejects(unpacking, /stop/)
  })
})
