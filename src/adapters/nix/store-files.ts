import { createReadStream } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { posix } from 'node:path'
import { text } from 'node:stream/consumers'

import { parseStorePath, storeDirectory, type StorePath } from '#core/nix/store-path.ts'
import type { StoreEntry, StoreFiles } from '#engine/ports/store-files.ts'

/** As many symbolic links in one look-up as Linux follows (path_resolution(7)). */
const mostLinks = 40

/**
 * More names than a closure has paths; a package may bring a file of any size. A name that is cut
 * here is none of the closure.
 */
const mostPropagatedBytes = 4 * 1024 * 1024

type Destination = Pick<StoreEntry, 'kind' | 'target'>

type Closure = ReadonlySet<StorePath>

/** Reads the store paths of a closure on this machine. */
export function createStoreFiles(closure: Closure): StoreFiles {
  return {
    list: (directory) => listDirectory(closure, directory),
    propagated: (path) => readPropagated(closure, path),
  }
}

async function listDirectory(closure: Closure, directory: string): Promise<readonly StoreEntry[]> {
  const start = await resolveInStore(closure, directory)
  if (start.kind !== 'directory') return []
  const entries = await readdir(bytes(start.path), { withFileTypes: true, encoding: 'buffer' })
  const listed = entries.map(async (entry): Promise<StoreEntry> => {
    const name = entry.name.toString('latin1')
    if (entry.isDirectory()) return { name, kind: 'directory' }
    if (!entry.isSymbolicLink()) return { name, kind: 'file' }
    return { name, ...destinationOf(await resolveInStore(closure, `${start.path}/${name}`)) }
  })
  return (await Promise.all(listed)).sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function readPropagated(closure: Closure, path: StorePath): Promise<readonly StorePath[]> {
  const file = await resolveInStore(closure, `${path}/nix-support/propagated-user-env-packages`)
  if (file.kind !== 'file') return []
  const range = { encoding: 'latin1', end: mostPropagatedBytes - 1 } as const
  const words = (await text(createReadStream(bytes(file.path), range))).split(/\s+/)
  const named = words.map(parseStorePath).filter((word) => word !== undefined)
  return named.filter((word) => closure.has(word))
}

type Resolved = { readonly kind: StoreEntry['kind']; readonly path: string }

function destinationOf({ kind, path }: Resolved): Destination {
  return kind === 'outside' || kind === 'directory' ? { kind, target: path } : { kind }
}

/**
 * Follows a path one component at a time, as inside an image that holds the closure: what leads out
 * of it is not looked up on this machine.
 */
async function resolveInStore(closure: Closure, start: string): Promise<Resolved> {
  let rest = splitPath(start)
  let reached = ''
  let links = 0
  let kind: 'directory' | 'file' = 'directory'
  while (rest.length > 0) {
    const [name = '', ...after] = rest
    const path = name === '..' ? posix.dirname(reached || '/') : `${reached}/${name}`
    rest = after
    if (!isInStore(path)) {
      // `/`, `/nix` and `/nix/store` themselves are directories in every image.
      const whole = posix.join(path, ...rest)
      if (!isStorePrefix(path)) return { kind: 'outside', path: whole }
      reached = path === '/' ? '' : path
      continue
    }
    const status = isInClosure(closure, path) ? await statusOf(path) : undefined
    if (status === undefined) return { kind: 'dangling', path }
    if (status === 'symlink') {
      if (++links > mostLinks) return { kind: 'dangling', path }
      const target = (await readlink(bytes(path), { encoding: 'buffer' })).toString('latin1')
      rest = [...splitPath(target), ...rest]
      if (target.startsWith('/')) reached = ''
      continue
    }
    if (status === 'file' && rest.length > 0) return { kind: 'dangling', path }
    reached = path
    kind = status
  }
  return isInStore(reached) ? { kind, path: reached } : { kind: 'outside', path: reached || '/' }
}

async function statusOf(path: string): Promise<'directory' | 'file' | 'symlink' | undefined> {
  try {
    const status = await lstat(bytes(path))
    if (status.isSymbolicLink()) return 'symlink'
    return status.isDirectory() ? 'directory' : 'file'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined
    throw error
  }
}

function splitPath(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

function isInStore(path: string): boolean {
  return path.startsWith(`${storeDirectory}/`)
}

/** Whether the store path that this path begins with is one of the closure. */
function isInClosure(closure: Closure, path: string): boolean {
  const end = path.indexOf('/', storeDirectory.length + 1)
  const storePath = parseStorePath(end === -1 ? path : path.slice(0, end))
  return storePath !== undefined && closure.has(storePath)
}

function isStorePrefix(path: string): boolean {
  return path === '/' || path === '/nix' || path === storeDirectory
}

/** Names are Latin-1 strings here, but bytes on disk. */
function bytes(path: string): Buffer {
  return Buffer.from(path, 'latin1')
}
