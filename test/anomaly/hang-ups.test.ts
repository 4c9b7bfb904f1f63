import assert from 'node:assert/strict'
import { readdir, readlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { eventually } from './eventually.ts'
import { pullImage, requestManifest } from './pull-image.ts'
import { makeSite, siteCommands, type RegistrySite } from './registry-site.ts'
import type { RegistryProcess } from './registry-process.ts'

const hangUps = 300

suite('clients that hang up', { skip: skipUnless(siteCommands) }, () => {
  test('at any moment of a download leave no file open and nothing broken', async () => {
    await using site = await makeSite()
    await using service = await site.start()
    const digest = await pullImage(service.url, 'heavy')
    const path = await largestBlob(service)
    for (let count = 0; count < hangUps; count += 1) {
      // From at once, before the answer begins, to half-way through a blob.
      await readAndLeave(service, path, (count % 10) * 20_000)
    }
    await eventually('the end of the last download', () => hasNoLayerOpen(service, site))
    assert.equal(await pullImage(service.url, 'heavy'), digest)
    assert.deepEqual(
      service.log.filter(({ msg }) => msg === 'request failed'),
      [],
    )
  })
})

/** Asks for a path, takes so many bytes of the answer, and resets the connection. */
function readAndLeave(service: RegistryProcess, path: string, wantedBytes: number): Promise<void> {
  const { hostname, port } = new URL(service.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let readBytes = 0
    const leaveWhenRead = () => {
      if (readBytes >= wantedBytes) socket.resetAndDestroy()
    }
    socket.once('error', reject).once('close', () => resolve())
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`, leaveWhenRead)
    socket.on('data', (chunk) => {
      readBytes += chunk.length
      leaveWhenRead()
    })
  })
}

async function largestBlob(service: RegistryProcess): Promise<string> {
  const manifest = (await (await requestManifest(service.url, 'heavy')).json()) as {
    layers: { digest: string; size: number }[]
  }
  const [largest] = manifest.layers.sort((a, b) => b.size - a.size)
  assert.ok(largest)
  return `/v2/heavy/blobs/${largest.digest}`
}

async function hasNoLayerOpen(
  service: RegistryProcess,
  site: RegistrySite,
): Promise<true | undefined> {
  const folder = `/proc/${service.pid}/fd`
  const targets = await Promise.all(
    (await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => 'closed')),
  )
  return (
    targets.every((target) => !target.startsWith(`${site.storageDirectory}/layers/`)) || undefined
  )
}
