import { createReadStream, readFileSync, statSync, type Stats } from 'node:fs'
import {
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
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
import type { ListedObject, ObjectStore, ObjectUpload } from '../object-store.ts'
import { storageFolders } from '../storage-layout.ts'
import { isLocal, watchDirectories } from './directory-watch.ts'
import { DiskGauge } from './disk-gauge.ts'
import { openFile, openToRead } from './open-file.ts'

// Each read is a buffer of its own. Below 128 KiB the processor time per byte rises, above 256 KiB only
// the memory does.
const readBytes = 256 * 1024

// What the main thread reads itself where no disk has to be waited for; some microseconds.
const mostBytesAtOnce = 64 * 1024

const watchedFolders = ['layers', 'manifests'] satisfies (typeof storageFolders)[number][]

/**
 * Objects in a directory that several processes may share. Publishing gives a synced staging file
 * its name, which is atomic and needs no lock: by `rename(2)` where the last writer may win, by
 * `link(2)` where the first one does. Staging files lie in a directory per process; what dead
 * processes left is swept at the start.
 */
export async function openFilesystemObjects(root: string): Promise<ObjectStore> {
  const stagingDirectory = join(root, 'staging')
  const sweep = () => sweepDeadOwners(stagingDirectory, Date.now())
  const staging = await guardFilesystem(`cannot use the storage directory ${root}`, async () => {
    for (const folder of storageFolders) await mkdir(join(root, folder), { recursive: true })
    await sweep()
    const owned = await ownDirectory(stagingDirectory)
    await requireHardLinks(owned, root)
    return owned
  })
  const nextStagingPath = numberedPaths(staging)
  const pathOf = (key: string) => join(root, key)
  const isOnThisMachine = await guardFilesystem(`cannot look at ${root}`, () => isLocal(root))

  const disk = new DiskGauge()

  return {
    async stat(key) {
      const info = await guardFilesystem(`cannot look for ${key}`, () => lookAt(pathOf(key)))
      return info && { sizeBytes: info.size, changedMs: info.mtimeMs }
    },

    async open(key, range) {
      const descriptor = await openToRead(pathOf(key), key)
      // Not bound to the caller's signal: a stream that is aborted before anybody listens to it
      // throws its error at the process.
      return descriptor === undefined
        ? undefined
        : createReadStream('', { fd: descriptor, ...range, highWaterMark: readBytes })
    },

    async read(key, mostBytes) {
      const path = pathOf(key)
      return guardFilesystem(`cannot read ${key}`, async () => {
        const info = await lookAt(path)
        if (info === undefined || info.size > mostBytes) return undefined
        return unlessMissing(readWhole(path, info.size))
      })
    },

    async put(key, bytes) {
      await write(key, bytes, replace)
    },
    putFirst: (key, bytes) => write(key, bytes, giveFirstName),

    // Truncating an empty file renews its time, by the clock of the file server where there is one. Not
    // synced: a time that a power cut takes back is as good as one of a moment before.
    async touch(key) {
      await guardFilesystem(`cannot renew ${key}`, () => writeFile(pathOf(key), ''))
    },

    async upload() {
      const path = nextStagingPath()
      const file = await guardFilesystem('cannot start an upload', () => open(path, 'wx', 0o644))
      return new StagedUpload(path, file, pathOf)
    },

    async remove(key) {
      await guardFilesystem(`cannot remove ${key}`, () => rm(pathOf(key), { force: true }))
    },

    // With a new time, as in buckets: how long something has been there is told by it.
    async move(from, to) {
      const now = new Date()
      const moved = await guardFilesystem(`cannot move ${from}`, () =>
        unlessMissing(
          utimes(pathOf(from), now, now)
            .then(() => rename(pathOf(from), pathOf(to)))
            .then(() => true),
        ),
      )
      return moved === true
    },

    list: (folder) => listFolder(root, folder),
    sweepStaging: async () =>
      (await guardFilesystem(`cannot sweep ${stagingDirectory}`, sweep)).length,
    ...(isOnThisMachine && {
      openFile: (key: string) => openFile(pathOf(key), key),
      watch: watchDirectories(watchedFolders.map(pathOf)),
    }),
    close: () => staging.release(),
  }

  /** An image has up to a hundred blobs, and to let another thread look takes ten times as long. */
  async function lookAt(path: string): Promise<Stats | undefined> {
    const startedAt = performance.now()
    const found =
      isOnThisMachine && disk.isResting
        ? statSync(path, { throwIfNoEntry: false })
        : await unlessMissing(stat(path))
    disk.note(startedAt)
    return found
  }

  /** Entries are small, and a build reads one for each layer. */
  async function readWhole(path: string, sizeBytes: number): Promise<Buffer> {
    if (!isOnThisMachine || !disk.isResting || sizeBytes > mostBytesAtOnce) return readFile(path)
    const startedAt = performance.now()
    const bytes = readFileSync(path)
    disk.note(startedAt)
    return bytes
  }

  async function write(
    key: string,
    bytes: Uint8Array,
    giveName: typeof replace | typeof giveFirstName,
  ): Promise<boolean> {
    const path = nextStagingPath()
    return guardFilesystem(`cannot write ${key}`, async () => {
      const file = await open(path, 'wx', 0o644)
      try {
        await file.writeFile(bytes)
        return await giveName(file, path, pathOf(key))
      } finally {
        await file.close()
        await rm(path, { force: true })
      }
    })
  }
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

class StagedUpload implements ObjectUpload {
  readonly #path: string
  readonly #file: FileHandle
  readonly #pathOf: (key: string) => string
  #open = true

  constructor(path: string, file: FileHandle, pathOf: (key: string) => string) {
    this.#path = path
    this.#file = file
    this.#pathOf = pathOf
  }

  async write(chunk: Uint8Array): Promise<void> {
    await guardFilesystem('cannot write an upload', () => this.#file.writeFile(chunk))
  }

  async publish(key: string): Promise<void> {
    await guardFilesystem(`cannot publish ${key}`, () =>
      replace(this.#file, this.#path, this.#pathOf(key)),
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

/** Gives a staged file its name, unless the name is taken: then the earlier file stays. */
async function giveFirstName(file: FileHandle, from: string, to: string): Promise<boolean> {
  await file.sync()
  const isFirst = await link(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      return false
    },
  )
  await syncDirectory(dirname(to))
  return isFirst
}

/** Gives a staged file its name, whether or not that is taken. */
async function replace(file: FileHandle, from: string, to: string): Promise<true> {
  await file.sync()
  await rename(from, to)
  await syncDirectory(dirname(to))
  return true
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

// One after the other would wait for a thread of Node's pool each time.
const statsAtOnce = 64

async function* listFolder(root: string, folder: string): AsyncIterable<ListedObject> {
  const doing = `cannot list ${folder}`
  const look = async (name: string): Promise<ListedObject | undefined> => {
    const info = await guardFilesystem(doing, () => unlessMissing(stat(join(root, folder, name))))
    return info?.isFile() === true
      ? { key: `${folder}/${name}`, sizeBytes: info.size, changedMs: info.mtimeMs }
      : undefined
  }
  const names = await guardFilesystem(doing, () => readdir(join(root, folder)))
  for (let start = 0; start < names.length; start += statsAtOnce) {
    const found = await Promise.all(names.slice(start, start + statsAtOnce).map(look))
    yield* found.filter((object) => object !== undefined)
  }
}

function numberedPaths(directory: OwnedDirectory): () => string {
  let next = 0
  return () => {
    next += 1
    return join(directory.path, String(next))
  }
}
