import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ServedRevisions } from '#adapters/package-source/served-revisions.ts'
import { createBundledSource } from '#adapters/package-source/bundled-source.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'

const skip = skipUnless(['apt-get', 'dpkg-deb', 'flock'])

test('createBundledSource() holds what it serves, until it is closed', { skip }, async () => {
  const stateDirectory = await prepareStateDirectory()
  const source = await createBundledSource(
    {
      name: '',
      stateDirectory,
      mirror: {},
      refreshMs: 0,
      clock: createManualClock(),
      onProgress: () => {},
      onFailure: assert.ifError,
    },
    new AbortController().signal,
  )
  const pin = await source.pin('latest', new AbortController().signal)
  assert.ok(pin.kind === 'pinned')
  const peer = await ServedRevisions.open(join(stateDirectory, 'served'))
  assert.ok((await peer.all()).has(pin.pinned.identity))
  await source.close()
  await peer.close()
})
