import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSegmentDirectory } from '#adapters/packing/segment-directory.ts'
import { createWorkerPacker } from '#adapters/packing/worker-packer.ts'
import { parseStorePath, storePathBaseName } from '#core/nix/store-path.ts'
import { measureTree } from '#test/archives/measure-tree.ts'
import { mountTinyDisk, skipUnlessMounting } from '#test/storage/tiny-disk.ts'

const ever = new AbortController().signal
const mebibyte = 2 ** 20
const pathCount = 16

test(
  'segments do not take the room that layers need on the same disk',
  { skip: skipUnlessMounting },
  async (context) => {
    const store = await mountTinyDisk(context, 32 * 1024)
    const disk = await mountTinyDisk(context, 20 * 1024)
    if (store === undefined || disk === undefined) return
    const paths = await writeStorePaths(store)
    await mkdir(join(disk, 'segments'))
    const segments = await openSegmentDirectory({
      directory: join(disk, 'segments'),
      mostBytes: 4096 * mebibyte,
    })
    const packer = createWorkerPacker({ threads: 2, storeDirectory: store, segments })
    context.after(async () => {
      await packer.close()
      await segments.close()
    })
    // Together they have 16 MiB, which fit; the same once more as segments would not.
    for (const [index, measured] of paths.entries()) {
      await using layer = await open(join(disk, `layer-${index}`), 'wx')
      await packer.pack(
        { kind: 'store-paths', paths: [measured] },
        { codec: 'gzip', level: 1 },
        (chunk) => layer.writeFile(chunk),
        ever,
      )
      assert.ok((await layer.stat()).size > mebibyte)
    }
  },
)

/** Of 1 MiB that cannot be compressed, each. */
async function writeStorePaths(store: string) {
  const paths = Array.from({ length: pathCount }, (_, index) => {
    const letter = 'abcdfghijklmnpqr'[index]!
    return parseStorePath(`/nix/store/${letter.repeat(32)}-random-1`)!
  })
  return Promise.all(
    paths.map(async (path) => {
      const file = join(store, storePathBaseName(path))
      await writeFile(file, randomBytes(mebibyte))
      return { path, narSizeBytes: measureTree(file) }
    }),
  )
}
