import { createReadStream } from 'node:fs'
import {
  link,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import {
  guardFilesystem,
  unfitFilesystemError,
  unlessMissing,
} from '#adapters/filesystem/filesystem-error.ts'
import {
  ownDirectory,
  sweepDeadOwners,
  type OwnedDirectory,
} from '#adapters/filesystem/owned-directory.ts'
import { maxDocumentBytes, type BlobStore, type BlobUpload } from '#engine/ports/blob-store.ts'
import type { EntryStore } from '#engine/ports/entry-store.ts'
import { storageLayout } from './storage-layout.ts'

// Each read is a buffer of its own. Below 128 KiB the processor time per byte rises, above 256 KiB only
// the memory does.
const readBytes = 256 * 1024

export interface FilesystemStorage {
  readonly blobs: BlobStore
  readonly entries: EntryStore
  /** Drops this process's uploads in progress. */
  close(): Promise<void>
}

/**
 * Storage in a directory that several processes may share. Publishing gives a synced staging file
 * its name, which is atomic and needs no lock: blobs by `rename(2)`, entries by `link(2)`, so that
 * the first writer wins. What dead processes left in staging is swept at the start.
 */
export async function openFilesystemStorage(root: string): Promise<FilesystemStorage> {
  const layout = storageLayout(root)
  const staging = await guardFilesystem(`cannot use the storage directory ${root}`, async () => {
    for (const directory of layout.directories) await mkdir(directory, { recursive: true })
    await sweepDeadOwners(layout.staging, Date.now())
    const owned = await ownDirectory(layout.staging)
    await requireHardLinks(owned, root)
    return owned
  })
  const nextStagingPath = numberedPaths(staging)

  const blobs: BlobStore = {
    async stat(digest) {
      const info = await guardFilesystem(`cannot look for ${digest}`, () =>
        unlessMissing(stat(layout.blob(digest))),
      )
      return info && { sizeBytes: info.size }
    },

    async open(digest, range) {
      const file = await guardFilesystem(`cannot open ${digest}`, () =>
        unlessMissing(open(layout.blob(digest))),
      )
      // Not bound to the caller's signal: a stream that is aborted before anybody listens to it
      // throws its error at the process.
      return file && createReadStream('', { fd: file, ...range, highWaterMark: readBytes })
    },

    async readDocument(digest) {
      const path = layout.blob(digest)
      const bytes = await guardFilesystem(`cannot read ${digest}`, async () => {
        const info = await unlessMissing(stat(path))
        if (info === undefined || info.size > maxDocumentBytes) return undefined
        return unlessMissing(readFile(path))
      })
      return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined
    },

    async upload() {
      const path = nextStagingPath()
      const file = await guardFilesystem('cannot start an upload', () => open(path, 'wx', 0o644))
      return new StagedUpload(path, file, layout.blob)
    },
  }

  const entries: EntryStore = {
    async get(kind, key) {
      const text = await guardFilesystem(`cannot read ${kind}/${key}`, () =>
        unlessMissing(readFile(layout.entry(kind, key), 'utf8')),
      )
      return text === undefined ? undefined : parseJson(text)
    },

    async putFirst(kind, key, value, signal) {
      const path = nextStagingPath()
      await guardFilesystem(`cannot write ${kind}/${key}`, async () => {
        const file = await open(path, 'wx', 0o644)
        try {
          await file.writeFile(JSON.stringify(value))
          await publishEntry(file, path, layout.entry(kind, key))
        } finally {
          await file.close()
          await rm(path, { force: true })
        }
      })
      return entries.get(kind, key, signal)
    },

    async remove(kind, key) {
      await guardFilesystem(`cannot remove ${kind}/${key}`, () =>
        rm(layout.entry(kind, key), { force: true }),
      )
    },
  }

  return { blobs, entries, close: () => staging.release() }
}

/** Without hard links every build would fail at its end. */
async function requireHardLinks(staging: OwnedDirectory, root: string): Promise<void> {
  const probe = join(staging.path, 'probe')
  try {
    await writeFile(probe, '')
    await link(probe, `${probe}-link`)
    await Promise.all([rm(probe), rm(`${probe}-link`)])
  } catch (error) {
    await staging.release()
    throw unfitFilesystemError(error, root, 'hard links')
  }
}

class StagedUpload implements BlobUpload {
  readonly #path: string
  readonly #file: FileHandle
  readonly #blobPath: (digest: Digest) => string
  #open = true

  constructor(path: string, file: FileHandle, blobPath: (digest: Digest) => string) {
    this.#path = path
    this.#file = file
    this.#blobPath = blobPath
  }

  async write(chunk: Uint8Array): Promise<void> {
    await guardFilesystem('cannot write an upload', () => this.#file.writeFile(chunk))
  }

  async publish(digest: Digest): Promise<void> {
    await guardFilesystem(`cannot publish ${digest}`, () =>
      publishBlob(this.#file, this.#path, this.#blobPath(digest)),
    )
  }

  async discard(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await guardFilesystem('cannot drop an upload', async () => {
      await this.#file.close()
      await rm(this.#path, { force: true })
    })
  }
}

/** Gives a staged entry its name, unless the name is taken: then the earlier entry stays. */
async function publishEntry(file: FileHandle, from: string, to: string): Promise<void> {
  await file.sync()
  await link(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await syncDirectory(dirname(to))
}

/** Two blobs of one digest are one content: replacing a stored one changes nothing, or repairs it. */
async function publishBlob(file: FileHandle, from: string, to: string): Promise<void> {
  await file.sync()
  await rename(from, to)
  await syncDirectory(dirname(to))
}

/** A name survives a power cut only when its directory is on disk too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function numberedPaths(directory: OwnedDirectory): () => string {
  let next = 0
  return () => {
    next += 1
    return join(directory.path, String(next))
  }
}

/** A value that is not JSON, as a damaged file gives, reads as `null`: it is there, and no entry. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
