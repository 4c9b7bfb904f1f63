import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { makeLevels } from '#adapters/filesystem/make-levels.ts'
import type { Descriptor } from '#core/oci/descriptor.ts'
import { digestHex, type Digest } from '#core/oci/digest.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import type { ImageContent } from '#engine/image-content.ts'
import { UnfitDestination, type ImageDestination } from '#engine/ports/image-destination.ts'
import { countBytes } from './counted-bytes.ts'
import { requireWritable, writingTo } from './unfit-place.ts'

export const layoutMark = '{"imageLayoutVersion":"1.0.0"}'

/** Of `index.json`; what others have written into an entry stays. */
const indexSchema = z.looseObject({
  schemaVersion: z.literal(2),
  manifests: z.array(
    z.looseObject({
      digest: z.string(),
      annotations: z.record(z.string(), z.string()).optional(),
    }),
  ),
})
type LayoutIndex = z.infer<typeof indexSchema>

const referenceName = 'org.opencontainers.image.ref.name'

/**
 * An OCI image layout (image-spec 1.1, image-layout.md), new or with other images in it:
 *
 *     oci-layout                 says that it is one; written first, so that what ends early can be repeated
 *     index.json                 the image under its tag; written last
 *     blobs/sha256/<hex>         manifests, configs, layers
 */
export function ociLayout(directory: string, tag: string): ImageDestination {
  const blobDirectory = join(directory, 'blobs', 'sha256')
  const check = async () => {
    await findLayout(directory)
    await requireWritable(directory)
    await requireWritable(blobDirectory)
  }
  return {
    check: () => writingTo(directory, check),
    write: (image, onProgress, signal) =>
      writingTo(directory, async () => {
        await check()
        await openLayout(directory)
        await makeLevels(blobDirectory)
        const counted = countBytes(image.blobs, onProgress)
        for (const blob of image.blobs) {
          const path = pathOf(blobDirectory, blob.digest)
          if (await isThere(path, blob)) counted.add(blob.size)
          else
            await writeWhole(path, async (unfinished) => {
              const stream = await image.open(blob.digest, signal)
              await pipeline(stream, counted.through(), createWriteStream(unfinished), { signal })
            })
        }
        for (const document of documentsOf(image))
          await writeWhole(pathOf(blobDirectory, document.digest), (unfinished) =>
            writeFile(unfinished, document.bytes),
          )
        // As it is now: another image may have come while the blobs were written.
        const index = await readIndex(directory)
        await writeWhole(join(directory, 'index.json'), (unfinished) =>
          writeFile(unfinished, JSON.stringify(withImage(index, image.root, tag))),
        )
      }),
  }
}

/** Manifests, and what lists them. */
export function documentsOf({ root, manifests }: ImageContent): ImageContent['root'][] {
  return [...new Map([...manifests, root].map((each) => [each.digest, each])).values()]
}

/** An index with one entry more; the one that had the tag goes. */
export function withImage(
  index: LayoutIndex | undefined,
  { mediaType, digest, size }: Descriptor,
  tag: string,
): LayoutIndex {
  const others = (index?.manifests ?? []).filter(
    ({ annotations }) => annotations?.[referenceName] !== tag,
  )
  const entry = { mediaType, digest, size, annotations: { [referenceName]: tag } }
  return {
    mediaType: mediaTypes.ociIndex,
    ...index,
    schemaVersion: 2,
    manifests: [...others, entry],
  }
}

/** Whether a layout is there, or may be made; refuses what is something else. */
async function findLayout(directory: string): Promise<'layout' | 'nothing'> {
  const found = await unlessMissing(stat(directory))
  if (found === undefined) return 'nothing'
  if (!found.isDirectory())
    throw new UnfitDestination(`${directory} is a file, and must be a directory`)
  const names = await readdir(directory)
  if (names.length === 0) return 'nothing'
  if (!names.includes('oci-layout'))
    throw new UnfitDestination(
      `${directory} holds something else than an OCI layout: choose a directory that is empty or not there`,
    )
  await readIndex(directory)
  return 'layout'
}

async function openLayout(directory: string): Promise<void> {
  if ((await findLayout(directory)) === 'layout') return
  await makeLevels(directory)
  await markLayout(directory)
}

/** In one call, so that nobody sees the directory with something else in it. */
async function markLayout(directory: string): Promise<void> {
  try {
    await writeFile(join(directory, 'oci-layout'), layoutMark, { flag: 'wx' })
  } catch (error) {
    // Another image came first.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/** What is in the layout; nothing before its first image is whole. */
async function readIndex(directory: string): Promise<LayoutIndex | undefined> {
  const text = await unlessMissing(readFile(join(directory, 'index.json'), 'utf8'))
  if (text === undefined) return undefined
  const index = indexSchema.safeParse(parseJson(text))
  if (!index.success)
    throw new UnfitDestination(`${join(directory, 'index.json')} is no index of an OCI layout`)
  return index.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The schema refuses it like everything else that is no index.
    return undefined
  }
}

function pathOf(blobDirectory: string, digest: Digest): string {
  return join(blobDirectory, digestHex(digest))
}

/** A blob gets its name when it is whole, so the size tells enough. */
async function isThere(path: string, { size }: Descriptor): Promise<boolean> {
  return (await unlessMissing(stat(path)))?.size === size
}

/** The file appears when all of it is there, or stays as it was. */
export async function writeWhole(
  path: string,
  write: (unfinished: string) => Promise<void>,
): Promise<void> {
  const unfinished = join(dirname(path), `${randomUUID()}.new`)
  try {
    await write(unfinished)
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
  }
}
