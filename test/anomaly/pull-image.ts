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

/** What a client gets: an image without a flaw, or none. */
export type PullOutcome =
  | { readonly kind: 'image'; readonly digest: string }
  | { readonly kind: 'refused'; readonly what: string; readonly answer: string }

/**
 * Pulls an image as a client does and checks everything about it: digests, sizes, diffIDs, archives.
 * Gives the digest of its manifest.
 */
export async function pullImage(registryUrl: string, name: string): Promise<string> {
  const outcome = await tryPull(registryUrl, name)
  assert.ok(outcome.kind === 'image', JSON.stringify(outcome))
  return outcome.digest
}

/** Pulls an image that there may not be; throws when there is one that is wrong. */
export async function tryPull(registryUrl: string, name: string): Promise<PullOutcome> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-pulled-'))
  try {
    const outcome = await saveLayout(registryUrl, name, directory)
    if (outcome.kind === 'refused') return outcome
    assert.deepEqual(await findLayoutViolations(directory), [], `violations in ${name}`)
    return outcome
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function saveLayout(
  registryUrl: string,
  name: string,
  directory: string,
): Promise<PullOutcome> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const save = (digest: string, bytes: Buffer) =>
    writeFile(join(directory, 'blobs', digest.replace(':', '/')), bytes)

  const response = await requestManifest(registryUrl, name)
  const bytes = Buffer.from(await response.arrayBuffer())
  if (response.status !== 200) return refused('the manifest', bytes)
  const digest = response.headers.get('docker-content-digest') ?? ''
  await save(digest, bytes)
  const manifest = JSON.parse(bytes.toString()) as { config: Descriptor; layers: Descriptor[] }
  for (const blob of [manifest.config, ...manifest.layers]) {
    const answer = await fetch(`${registryUrl}/v2/${name}/blobs/${blob.digest}`)
    const contents = Buffer.from(await answer.arrayBuffer())
    if (answer.status !== 200) return refused(blob.digest, contents)
    await save(blob.digest, contents)
  }
  const index = {
    schemaVersion: 2,
    manifests: [{ mediaType: manifestType, digest, size: bytes.length }],
  }
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(join(directory, 'index.json'), JSON.stringify(index))
  return { kind: 'image', digest }
}

function refused(what: string, answer: Buffer): PullOutcome {
  return { kind: 'refused', what, answer: answer.toString() }
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
