import { posix } from 'node:path'

import { parseStorePath, storeDirectory, type StorePath } from '#core/nix/store-path.ts'
import type { OpenStoreFiles, StoreEntry, StoreFiles } from '#engine/ports/store-files.ts'
import { isInStore, StoreDirectories, type OpenStoreDirectories } from './store-directories.ts'

/** As many symbolic links in one look-up as Linux follows (path_resolution(7)). */
const mostLinks = 40

type Destination = Pick<StoreEntry, 'kind' | 'target'>

/** What is in the image, and what this machine's store has of it. */
interface View {
  readonly closure: ReadonlySet<StorePath>
  readonly directories: OpenStoreDirectories
  /** Directories that were listed, without links on the way. */
  readonly reached: Set<string>
}

/** Reads closures on this machine, one after the other: what they have in common is read once. */
export function shareStoreFiles(): OpenStoreFiles {
  const directories = new StoreDirectories()
  return (closure) => createStoreFiles(closure, directories)
}

/** Reads the store paths of a closure on this machine. */
export function createStoreFiles(
  closure: ReadonlySet<StorePath>,
  directories: StoreDirectories = new StoreDirectories(),
): StoreFiles {
  const view = { closure, directories: directories.open(), reached: new Set<string>() }
  return {
    list: (directory) => listDirectory(view, directory),
    propagated: (path) => readPropagated(view, path),
  }
}

async function listDirectory(view: View, directory: string): Promise<readonly StoreEntry[]> {
  const start = await resolveDirectory(view, directory)
  if (start.kind !== 'directory') return []
  const names = await view.directories.list(storePathOf(start.path)!, start.path)
  view.reached.add(start.path)
  const entries: StoreEntry[] = []
  for (const [name, kind] of names) {
    if (kind !== 'symlink') entries.push({ name, kind })
    else entries.push({ name, ...destinationOf(await resolveLink(view, start.path, name)) })
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Directories come after the one that they are in, which was followed to its end then. */
async function resolveDirectory(view: View, directory: string): Promise<Resolved> {
  const above = directory.slice(0, directory.lastIndexOf('/'))
  if (view.reached.has(above) && !/\/\.{0,2}$/.test(directory)) {
    const storePath = storePathOf(directory)
    const kind = storePath && (await view.directories.kind(storePath, directory))
    if (kind === 'directory') return { kind, path: directory }
  }
  return resolveInStore(view, directory)
}

async function readPropagated(view: View, path: StorePath): Promise<readonly StorePath[]> {
  const file = await resolveInStore(view, `${path}/nix-support/propagated-user-env-packages`)
  if (file.kind !== 'file') return []
  const named = await view.directories.readNames(path, file.path)
  return named.filter((word) => view.closure.has(word))
}

/** What a symbolic link leads to, by its name in a directory without links on the way. */
async function resolveLink(view: View, directory: string, name: string): Promise<Resolved> {
  const storePath = storePathOf(directory)!
  const target = await view.directories.readLink(storePath, `${directory}/${name}`)
  return target.startsWith('/')
    ? resolveInStore(view, target, { directory: '', links: 1 })
    : resolveInStore(view, target, { directory, links: 1 })
}

type Resolved = { readonly kind: StoreEntry['kind']; readonly path: string }

function destinationOf({ kind, path }: Resolved): Destination {
  return kind === 'outside' || kind === 'directory' ? { kind, target: path } : { kind }
}

/**
 * Follows a path one component at a time, as inside an image that holds the closure: what leads out
 * of it is not looked up on this machine. It may begin in a directory that was reached already.
 */
async function resolveInStore(
  view: View,
  start: string,
  { directory, links: followed } = { directory: '', links: 0 },
): Promise<Resolved> {
  let rest = splitPath(start)
  let reached = directory
  let links = followed
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
    const storePath = beginningOf(path)
    if (!isIn(view.closure, storePath)) return { kind: 'dangling', path }
    const status = await view.directories.kind(storePath, path)
    if (status === undefined) return { kind: 'dangling', path }
    if (status === 'symlink') {
      if (++links > mostLinks) return { kind: 'dangling', path }
      const target = await view.directories.readLink(storePath, path)
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

function splitPath(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

/** The store path that a path begins with. */
function storePathOf(path: string): StorePath | undefined {
  return parseStorePath(beginningOf(path))
}

/** Of a path in the store: the name in it that comes first. */
function beginningOf(path: string): string {
  const end = path.indexOf('/', storeDirectory.length + 1)
  return end === -1 ? path : path.slice(0, end)
}

function isIn(closure: ReadonlySet<StorePath>, text: string): text is StorePath {
  return (closure as ReadonlySet<string>).has(text)
}

function isStorePrefix(path: string): boolean {
  return path === '/' || path === '/nix' || path === storeDirectory
}
