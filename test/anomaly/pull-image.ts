import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findLayoutViolations } from '#test/clients/oci-layout.ts'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/**
 * Pulls an image as a client does and checks everything about it: digests, sizes, diffIDs, archives.
 * Gives the digest of its manifest.
 */
export async function pullImage(registryUrl: string, name: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-pulled-'))
  try {
    const digest = await saveLayout(registryUrl, name, directory)
    assert.deepEqual(await findLayoutViolations(directory), [], `violations in ${name}`)
    return digest
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function saveLayout(registryUrl: string, name: string, directory: string): Promise<string> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const response = await requestManifest(registryUrl, name)
  const bytes = Buffer.from(await response.arrayBuffer())
  assert.equal(response.status, 200, `${name}: ${bytes.toString()}`)
  const digest = response.headers.get('docker-content-digest') ?? ''
  const save = (of: string, contents: Buffer) =>
    writeFile(join(directory, 'blobs', of.replace(':', '/')), contents)
  await save(digest, bytes)
  const manifest = JSON.parse(bytes.toString()) as { config: Descriptor; layers: Descriptor[] }
  for (const blob of [manifest.config, ...manifest.layers]) {
    const answer = await fetch(`${registryUrl}/v2/${name}/blobs/${blob.digest}`)
    assert.equal(answer.status, 200, `${name}: ${blob.digest}`)
    await save(blob.digest, Buffer.from(await answer.arrayBuffer()))
  }
  const index = {
    schemaVersion: 2,
    manifests: [{ mediaType: manifestType, digest, size: bytes.length }],
  }
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(directory, 'index.json'), JSON.stringify(index))
  return digest
}

/** Asks for the image's manifest by its tag, which builds it if need be. */
export function requestManifest(
  registryUrl: string,
  name: string,
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${registryUrl}/v2/${name}/manifests/latest`, {
    headers: { Accept: manifestType },
    ...(signal && { signal }),
  })
}
