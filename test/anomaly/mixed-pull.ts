import assert from 'node:assert/strict'
import { digestOf } from '#core/oci/digest.ts'
import { requestManifest } from './pull-image.ts'

interface Descriptor {
  readonly digest: string
  readonly size: number
}

/** The ways in which clients read an image. */
export const pullKinds = ['whole', 'heads', 'ranges', 'by-digest', 'hung-up'] as const
export type PullKind = (typeof pullKinds)[number]

/** A pull that a client would begin again: a server that asks for that, or a connection that broke. */
export class BrokenPull extends Error {
  override readonly name = 'BrokenPull'
}

/**
 * Reads an image and checks every byte of it; gives the digest of its manifest. Throws `BrokenPull`
 * for what may pass, and fails for what must not happen even once.
 */
export async function pullMixed(
  registryUrl: string,
  name: string,
  kind: PullKind,
): Promise<string> {
  const { digest, text } = await readManifest(() => requestManifest(registryUrl, name))
  const { config, layers } = JSON.parse(text) as { config: Descriptor; layers: Descriptor[] }
  const addressOf = ({ digest }: Descriptor) => `${registryUrl}/v2/${name}/blobs/${digest}`
  const blobs = [config, ...layers]
  switch (kind) {
    case 'whole':
      for (const blob of blobs) await readWhole(addressOf(blob), blob)
      break
    case 'heads':
      for (const blob of blobs) await readHead(addressOf(blob), blob)
      break
    case 'ranges':
      for (const blob of blobs) await readInRanges(addressOf(blob), blob)
      break
    case 'by-digest': {
      const address = `${registryUrl}/v2/${name}/manifests/${digest}`
      assert.equal((await readManifest(() => fetch(address))).text, text)
      for (const blob of blobs) await readHead(addressOf(blob), blob)
      break
    }
    case 'hung-up': {
      const largest = blobs.toSorted((a, b) => b.size - a.size)[0]!
      await readAndLeave(addressOf(largest))
      break
    }
  }
  return digest
}

async function readManifest(
  request: () => Promise<Response>,
): Promise<{ readonly digest: string; readonly text: string }> {
  const response = await broken(request())
  await expectStatus(response, 200)
  const bytes = await broken(response.bytes())
  const digest = digestOf(bytes)
  assert.equal(response.headers.get('docker-content-digest'), digest)
  return { digest, text: Buffer.from(bytes).toString() }
}

async function readWhole(address: string, { digest, size }: Descriptor): Promise<void> {
  const bytes = await download(address, {}, 200, (response) => response.bytes())
  assert.deepEqual([digestOf(bytes), bytes.length], [digest, size], address)
}

async function readHead(address: string, { digest, size }: Descriptor): Promise<void> {
  const response = await broken(fetch(address, { method: 'HEAD' }))
  await expectStatus(response, 200)
  assert.equal(response.headers.get('content-length'), String(size))
  assert.equal(response.headers.get('docker-content-digest'), digest)
}

async function readInRanges(address: string, { digest, size }: Descriptor): Promise<void> {
  const middle = Math.floor(size / 2)
  const ranges = [`bytes=0-${middle - 1}`, `bytes=${middle}-`]
  const parts = await Promise.all(
    ranges.map((range) =>
      download(address, { headers: { range } }, 206, (response) => response.bytes()),
    ),
  )
  const bytes = Buffer.concat(parts)
  assert.deepEqual([digestOf(bytes), bytes.length], [digest, size], address)
}

function readAndLeave(address: string): Promise<void> {
  return download(address, {}, 200, async (response) => {
    const reader = response.body!.getReader()
    await reader.read()
    await reader.cancel()
  })
}

// As docker does with a layer.
const mostDownloads = 5

/** Asks the registry for a blob; where that leads to the bucket, what breaks there is begun again. */
async function download<T>(
  address: string,
  init: RequestInit,
  wanted: number,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  for (let downloads = 1; ; downloads += 1) {
    const answer = await broken(fetch(address, { ...init, redirect: 'manual' }))
    const location = answer.status === 303 ? answer.headers.get('location') : null
    if (location === null) {
      await expectStatus(answer, wanted)
      return await broken(read(answer))
    }
    await answer.body?.cancel()
    try {
      return await downloadFromBucket(location, init, wanted, read)
    } catch (error) {
      if (!(error instanceof BrokenPull) || downloads === mostDownloads) throw error
    }
  }
}

async function downloadFromBucket<T>(
  location: string,
  init: RequestInit,
  wanted: number,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const response = await broken(fetch(location, init))
  if (response.status >= 500 || response.status === 429)
    throw new BrokenPull(`the bucket answers ${response.status}`)
  assert.equal(response.status, wanted, location)
  return await broken(read(response))
}

/** 500 and above may pass, and then says when; anything else is what a client would report. */
async function expectStatus(response: Response, wanted: number): Promise<void> {
  if (response.status === wanted) return
  const answer = `${response.status} ${await broken(response.text())}`
  assert.ok(response.status >= 500, `${response.url} answers ${answer}`)
  assert.ok(response.headers.get('retry-after'), answer)
  throw new BrokenPull(answer)
}

/** What fetch throws when a connection broke. */
async function broken<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    if (cause instanceof TypeError) throw new BrokenPull('the connection broke', { cause })
    throw cause
  }
}
