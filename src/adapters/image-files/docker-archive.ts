import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { digestHex, type Digest } from '#core/oci/digest.ts'
import { endOfArchive, formatTarHeader, paddingBytes } from '#core/tar/tar-header.ts'
import type { ImageContent } from '#engine/image-content.ts'
import { UnfitDestination, type ImageDestination } from '#engine/ports/image-destination.ts'
import { countBytes, type CountedBytes } from './counted-bytes.ts'
import { documentsOf, layoutMark, withImage, writeWhole } from './oci-layout.ts'

/** What the archive calls the image: `docker load` tags it so. */
export interface ArchiveName {
  readonly name: string
  readonly tag: string
}

/**
 * The archive that `docker load` and `podman load` take, as newer Dockers write it: an OCI image layout,
 * and beside it the `manifest.json` that older ones read. Layers stay compressed, which all of them undo.
 * A path of `-` is standard output.
 */
export function dockerArchive(path: string, { name, tag }: ArchiveName): ImageDestination {
  return {
    async write(image, onProgress, signal) {
      if (image.manifests.length > 1)
        throw new UnfitDestination(
          `a docker-archive holds one platform, and the image has ${image.manifests.length}: choose one with --platform, or write an OCI layout`,
        )
      const counted = countBytes(image.blobs, onProgress)
      const entries = archiveEntries(image, `${name}:${tag}`, tag, counted, signal)
      const writeTo = (file: Writable) => pipeline(Readable.from(entries), file, { signal })
      if (path === '-') await writeTo(process.stdout)
      else await writeWhole(path, (unfinished) => writeTo(createWriteStream(unfinished)))
    },
  }
}

async function* archiveEntries(
  image: ImageContent,
  repositoryTag: string,
  tag: string,
  counted: CountedBytes,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const [{ config, layers }] = image.manifests
  const dockerManifest = [
    {
      Config: blobPath(config.digest),
      RepoTags: [repositoryTag],
      Layers: layers.map(({ digest }) => blobPath(digest)),
    },
  ]
  yield* textFile('oci-layout', layoutMark)
  yield* textFile('index.json', JSON.stringify(withImage(undefined, image.root, tag)))
  yield* textFile('manifest.json', JSON.stringify(dockerManifest))
  for (const directory of ['blobs', 'blobs/sha256'])
    yield formatTarHeader({ kind: 'directory', path: directory, mode: 0o755 })
  for (const { digest, bytes } of documentsOf(image)) yield* file(blobPath(digest), bytes)
  for (const { digest, size } of image.blobs) {
    yield fileHeader(blobPath(digest), size)
    for await (const chunk of await image.open(digest, signal)) {
      counted.add((chunk as Uint8Array).length)
      yield chunk as Uint8Array
    }
    yield new Uint8Array(paddingBytes(size))
  }
  yield endOfArchive
}

function* textFile(path: string, text: string): Generator<Uint8Array> {
  yield* file(path, Buffer.from(text))
}

function* file(path: string, bytes: Uint8Array): Generator<Uint8Array> {
  yield fileHeader(path, bytes.length)
  yield bytes
  yield new Uint8Array(paddingBytes(bytes.length))
}

function fileHeader(path: string, sizeBytes: number): Uint8Array {
  return formatTarHeader({ kind: 'file', path, mode: 0o644, sizeBytes })
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`
}
