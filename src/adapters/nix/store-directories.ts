import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { text } from 'node:stream/consumers'

import { parseStorePath, storeDirectory, type StorePath } from '#core/nix/store-path.ts'

export type NameKind = 'directory' | 'file' | 'symlink'

/** The names in a directory. */
export type Directory = ReadonlyMap<string, NameKind>

/** About 150 bytes each: what a dozen images of some hundred packages list, in 15 MB. */
const mostNames = 100_000

/**
 * More names than a closure has paths; a package may bring a file of any size. A name that is cut
 * here is none of the closure.
 */
const mostNamingBytes = 4 * 1024 * 1024

/**
 * What directories of store paths hold, for all builds of a process: the content of a store path does
 * not change, and an image and the next one have most of their paths in common. A path that was
 * collected and made again is another directory of the disk, which one look at it tells.
 */
export class StoreDirectories {
  readonly #most: number
  /** The one used last at the end. */
  readonly #paths = new Map<StorePath, RememberedPath>()
  #names = 0

  constructor(most: number = mostNames) {
    this.#most = most
  }

  /** For one build, while its lease holds the paths: each is looked at once. */
  open(): OpenStoreDirectories {
    return new OpenStoreDirectories((path) => this.#look(path))
  }

  async #look(path: StorePath): Promise<RememberedPath | undefined> {
    const status = await lstatIfThere(path)
    if (status === undefined) return undefined
    const identity = `${status.dev} ${status.ino} ${status.ctimeMs}`
    const known = this.#paths.get(path)
    if (known?.identity === identity) {
      this.#paths.delete(path)
      this.#paths.set(path, known)
      return known
    }
    const kind = kindOf(status)
    this.#forget(path)
    const fresh = new RememberedPath(identity, kind, (names) => this.#count(names))
    this.#paths.set(path, fresh)
    this.#count(1)
    return fresh
  }

  #count(names: number): void {
    this.#names += names
    for (const path of this.#paths.keys()) {
      if (this.#names <= this.#most) return
      this.#forget(path)
    }
  }

  #forget(path: StorePath): void {
    this.#names -= this.#paths.get(path)?.discard() ?? 0
    this.#paths.delete(path)
  }
}

/** What one build sees. Paths are absolute and in the store; text is Latin-1, a character for a byte. */
export class OpenStoreDirectories {
  readonly #look: (path: StorePath) => Promise<RememberedPath | undefined>
  readonly #looked = new Map<StorePath, Promise<RememberedPath | undefined>>()

  constructor(look: (path: StorePath) => Promise<RememberedPath | undefined>) {
    this.#look = look
  }

  /** What a path is; everything above it has to be a directory. `undefined` when it is not there. */
  async kind(storePath: StorePath, path: string): Promise<NameKind | undefined> {
    const remembered = await this.#remembered(storePath)
    if (path.length === storePath.length) return remembered?.kind
    const end = path.lastIndexOf('/')
    const above = await remembered?.directory(path.slice(0, end))
    return above?.get(path.slice(end + 1))
  }

  /** The names in what is known to be a directory. */
  async list(storePath: StorePath, path: string): Promise<Directory> {
    return (await this.#remembered(storePath))?.directory(path) ?? new Map<string, NameKind>()
  }

  /** Where what is known to be a symbolic link leads to. */
  async readLink(storePath: StorePath, path: string): Promise<string> {
    return (await this.#remembered(storePath))?.link(path) ?? ''
  }

  /** The store paths that what is known to be a file names first. */
  async readNames(storePath: StorePath, path: string): Promise<readonly StorePath[]> {
    return (await this.#remembered(storePath))?.names(path) ?? []
  }

  #remembered(path: StorePath): Promise<RememberedPath | undefined> {
    const known = this.#looked.get(path)
    if (known !== undefined) return known
    const looked = this.#look(path)
    this.#looked.set(path, looked)
    return looked
  }
}

/** A store path, as far as somebody wanted to know. */
class RememberedPath {
  readonly identity: string
  readonly kind: NameKind
  readonly #count: (names: number) => void
  readonly #directories = new Map<string, Promise<Directory>>()
  readonly #links = new Map<string, Promise<string>>()
  readonly #files = new Map<string, Promise<readonly StorePath[]>>()
  /** With the path's own. */
  #names = 1
  #isDiscarded = false

  constructor(identity: string, kind: NameKind, count: (names: number) => void) {
    this.identity = identity
    this.kind = kind
    this.#count = count
  }

  directory(path: string): Promise<Directory> {
    return remember(this.#directories, path, async () => {
      const directory = await readDirectory(path)
      this.#add(directory.size + 1)
      return directory
    })
  }

  link(path: string): Promise<string> {
    return remember(this.#links, path, async () => {
      this.#add(1)
      return (await readlink(bytes(path), { encoding: 'buffer' })).toString('latin1')
    })
  }

  names(path: string): Promise<readonly StorePath[]> {
    return remember(this.#files, path, async () => {
      const named = await readStorePaths(path)
      this.#add(named.length + 1)
      return named
    })
  }

  /** Nobody finds it any more; builds that have it read on. Returns how many names it had. */
  discard(): number {
    this.#isDiscarded = true
    return this.#names
  }

  #add(names: number): void {
    this.#names += names
    if (!this.#isDiscarded) this.#count(names)
  }
}

/** A failure is not remembered: it may be one of the moment. */
function remember<T>(
  known: Map<string, Promise<T>>,
  key: string,
  read: () => Promise<T>,
): Promise<T> {
  const found = known.get(key)
  if (found !== undefined) return found
  const reading = read()
  known.set(key, reading)
  reading.catch(() => known.delete(key))
  return reading
}

async function readDirectory(path: string): Promise<Directory> {
  const entries = await readdir(bytes(path), { withFileTypes: true, encoding: 'buffer' })
  return new Map(entries.map((entry) => [entry.name.toString('latin1'), kindOf(entry)]))
}

async function readStorePaths(path: string): Promise<readonly StorePath[]> {
  const range = { encoding: 'latin1', end: mostNamingBytes - 1 } as const
  const words = (await text(createReadStream(bytes(path), range))).split(/\s+/)
  return words.map(parseStorePath).filter((word) => word !== undefined)
}

async function lstatIfThere(path: StorePath) {
  try {
    return await lstat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function kindOf(entry: { isSymbolicLink(): boolean; isDirectory(): boolean }): NameKind {
  if (entry.isSymbolicLink()) return 'symlink'
  return entry.isDirectory() ? 'directory' : 'file'
}

/** Whether a path is in the store; the store itself is not. */
export function isInStore(path: string): boolean {
  return path.startsWith(`${storeDirectory}/`)
}

/** Names are Latin-1 strings here, but bytes on disk. */
function bytes(path: string): Buffer {
  return Buffer.from(path, 'latin1')
}
