import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryStorage } from '#adapters/storage/memory/memory-storage.ts'
import { digestOf } from '#core/oci/digest.ts'
import { readContents } from './read-contents.ts'

const signal = new AbortController().signal
const digest = digestOf('layer')
const path = { path: `${'a'.repeat(32)}-bash-5.2`, narSizeBytes: 3, references: [0] }
const sound = {
  closure: [path],
  layers: [
    { digest, paths: [0] },
    { digest, paths: [] },
  ],
}

async function read(text: string) {
  const { blobs } = createMemoryStorage()
  const bytes = Buffer.from(text)
  const contents = { digest: digestOf(bytes), size: bytes.length }
  const upload = await blobs.upload('application/json', signal)
  await upload.write(bytes)
  await upload.publish(contents.digest)
  return readContents(blobs, { contents }, signal)
}

test('readContents() gives what was noted', async () => {
  assert.deepEqual(await read(JSON.stringify(sound)), sound)
  const asked = { ...sound, closure: [{ ...path, asked: true }] }
  assert.deepEqual(await read(JSON.stringify(asked)), asked)
  assert.deepEqual(await read('{"closure":[],"layers":[]}'), { closure: [], layers: [] })
})

test('readContents() takes nothing for contents that leads nowhere or could be no store path', async () => {
  const withPath = (changed: object) => ({ ...sound, closure: [{ ...path, ...changed }] })
  const withLayer = (changed: object) => ({
    ...sound,
    layers: [{ digest, paths: [0], ...changed }],
  })
  const wrong = [
    null,
    7,
    [],
    {},
    { closure: [] },
    { ...sound, closure: [null] },
    { ...sound, layers: ['x'] },
    withPath({ path: '../../etc/passwd' }),
    withPath({ path: `${'a'.repeat(32)}-<script>` }),
    withPath({ narSizeBytes: -1 }),
    withPath({ narSizeBytes: '3' }),
    withPath({ references: [1] }),
    withPath({ references: [-1] }),
    withPath({ references: [0.5] }),
    withPath({ references: 'none' }),
    withPath({ asked: 'yes' }),
    withLayer({ paths: [1] }),
    withLayer({ paths: undefined }),
    withLayer({ digest: 'sha256:1' }),
    withLayer({ digest: undefined }),
  ]
  for (const value of wrong)
    assert.equal(await read(JSON.stringify(value)), undefined, JSON.stringify(value))
  assert.equal(await read('{"closure":'), undefined)
})
