import { createHash, randomFillSync } from 'node:crypto'
import { link, mkdir, open, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestFromHash, digestHex, type Digest } from '#core/oci/digest.ts'

// Written in blocks of this size.
const blockBytes = 1024 * 1024

/** A file of random bytes, as incompressible as a layer. */
export async function writeRandomBlob(path: string, sizeBytes: number): Promise<Digest> {
  const hash = createHash('sha256')
  const block = Buffer.alloc(blockBytes)
  await using file = await open(path, 'w')
  for (let written = 0; written < sizeBytes; written += blockBytes) {
    randomFillSync(block)
    hash.update(block)
    await file.write(block)
  }
  await file.sync()
  return digestFromHash(hash)
}

/** Puts a blob where the product has it. */
export async function placeInStorage(path: string, digest: Digest, storage: string): Promise<void> {
  await linkTo(path, join(storage, 'layers', digestHex(digest)))
}

/** Puts a blob of a repository where docker-registry has it. */
export async function placeInRegistry(
  path: string,
  digest: Digest,
  storage: string,
  repository: string,
): Promise<void> {
  const hex = digestHex(digest)
  const root = join(storage, 'docker', 'registry', 'v2')
  await linkTo(path, join(root, 'blobs', 'sha256', hex.slice(0, 2), hex, 'data'))
  const membership = join(root, 'repositories', repository, '_layers', 'sha256', hex)
  await mkdir(membership, { recursive: true })
  await writeFile(join(membership, 'link'), digest)
}

/** Stored files never change, so all may share one. */
async function linkTo(path: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true })
  await link(path, target)
}
