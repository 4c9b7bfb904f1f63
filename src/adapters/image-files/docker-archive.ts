import { createWriteStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import { unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import type { Descriptor } from '#core/oci/descriptor.ts'
import { digestHex, type Digest } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import { endOfArchive, formatTarHeader, paddingBytes } from '#core/tar/tar-header.ts'
import type { ImageContent } from '#engine/image-content.ts'
import { UnfitDestination, type ImageDestination } from '#engine/ports/image-destination.ts'
import { countBytes, type CountedBytes } from './counted-bytes.ts'
import { documentsOf, layoutMark, withImage, writeWhole } from './oci-layout.ts'
import { followLinks, writingTo } from './unfit-place.ts'

/** What the archive calls the image: `docker load` tags it so. */
export interface ArchiveName {
  readonly name: string
  readonly tag: string
}

/**
 * The archive that `docker load` and `podman load` take, as newer Dockers write it: an OCI image layout,
 * and beside it the `manifest.json` that older ones read. Layers stay compressed with gzip, which all of them undo.
 * A path of `-` is standard output. A file that is there is replaced once the new one is whole, as `docker save` does.
 */
export function dockerArchive(path: string, { name, tag }: ArchiveName): ImageDestination {
  return {
    check: () =>
      writingTo(path, async () => {
        const kind = await kindOf(path)
        if (kind === 'file')
          await access(dirname(await followLinks(path)), constants.W_OK | constants.X_OK)
        if (kind === 'device') await access(path, constants.W_OK)
      }),
    async write(image, onProgress, signal) {
      if (image.manifests.length > 1)
        throw new UnfitDestination(
          `a docker-archive holds one platform, and the image has ${image.manifests.length}: choose one with --platform, or write an OCI layout`,
        )
      const counted = countBytes(image.blobs, onProgress)
      const entries = archiveEntries(image, `${name}:${tag}`, tag, counted, signal)
      const writeTo = (file: Writable) => pipeline(Readable.from(entries), file, { signal })
      const kind = await writingTo(path, () => kindOf(path))
      if (kind === 'output') return writeTo(process.stdout)
      await writingTo(path, async () =>
        // A file in its place would end what it is: `/dev/null`, a pipe.
        kind === 'device'
          ? writeTo(createWriteStream(path))
          : writeWhole(await followLinks(path), (unfinished) =>
              writeTo(createWriteStream(unfinished)),
            ),
      )
    },
  }
}

async function kindOf(path: string): Promise<'output' | 'file' | 'device'> {
  if (path === '-') {
    if (!process.stdout.isTTY) return 'output'
    throw new UnfitDestination(
      'standard output is a terminal, which shows no archive: name a file, or lead it into a command',
    )
  }
  const found = await unlessMissing(stat(path))
  if (found?.isDirectory() === true || path.endsWith('/'))
    throw new UnfitDestination(`${path} is a directory, and must be a file`)
  return found === undefined || found.isFile() ? 'file' : 'device'
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
      Layers: layers.map(layerPath),
    },
  ]
  yield* textFile('manifest.json', JSON.stringify(dockerManifest))
  // What is unpacked is no blob of the image any more.
  if (!layers.some(isZstd)) {
    yield* textFile('oci-layout', layoutMark)
    yield* textFile('index.json', JSON.stringify(withImage(undefined, image.root, tag)))
    for (const { digest, bytes } of documentsOf(image)) yield* file(blobPath(digest), bytes)
  }
  for (const blob of image.blobs) {
    const open = async () => {
      const stream = await image.open(blob.digest, signal)
      return isZstd(blob) ? stream.compose(createZstdDecompress()) : stream
    }
    const sizeBytes = isZstd(blob) ? await measure(await open()) : blob.size
    yield fileHeader(layerPath(blob), sizeBytes)
    yield* (await open()) as AsyncIterable<Uint8Array>
    yield new Uint8Array(paddingBytes(sizeBytes))
    counted.add(blob.size)
  }
  yield endOfArchive
}

/** Docker reads no zstd before version 23, which Debian 12 does not have. */
function isZstd({ mediaType }: Descriptor): boolean {
  return mediaType === mediaTypes.ociLayerZstd || mediaType === mediaTypes.dockerLayerZstd
}

/** An archive says how long a file is before it begins. */
async function measure(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let sizeBytes = 0
  for await (const chunk of stream) sizeBytes += chunk.length
  return sizeBytes
}

function layerPath(layer: Descriptor): string {
  return isZstd(layer) ? `${digestHex(layer.digest)}.tar` : blobPath(layer.digest)
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
