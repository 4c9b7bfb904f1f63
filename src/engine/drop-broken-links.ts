import { storeDirectory } from '#core/nix/store-path.ts'
import { findNode, removeNode, type RootDirectory } from '#core/root-layer/root-tree.ts'
import type { StoreEntry, StoreFiles } from './ports/store-files.ts'

/** As many links in one look-up as Linux follows (path_resolution(7)). */
const mostLinks = 40

/**
 * Removes those links from the tree that lead nowhere in the image, whose file system is the tree
 * with the store below `nix/store`. All are judged before the first is removed: a link that leads
 * on through another one stays or goes with it.
 */
export async function dropBrokenLinks(
  root: RootDirectory,
  paths: readonly string[],
  files: StoreFiles,
): Promise<void> {
  const image = { root, list: rememberListings(files) }
  const broken: string[] = []
  for (const path of paths) if (!(await exists(image, path))) broken.push(path)
  for (const path of broken) removeNode(root, path)
}

interface Image {
  readonly root: RootDirectory
  readonly list: (directory: string) => Promise<ReadonlyMap<string, StoreEntry>>
}

/** Whether a path of the image leads to a file or directory once all links are followed. */
async function exists(image: Image, path: string): Promise<boolean> {
  let reached: readonly string[] = []
  let rest = splitPath(path)
  for (let links = 0; links <= mostLinks;) {
    const [name, ...after] = rest
    if (name === undefined) return true
    rest = after
    if (name === '..') {
      reached = reached.slice(0, -1)
      continue
    }
    const found = await lookUp(image, [...reached, name])
    if (found.kind === 'nothing') return false
    if (found.kind === 'file' && rest.length > 0) return false
    if (found.kind === 'link') {
      links += 1
      rest = [...splitPath(found.target), ...rest]
      if (found.target.startsWith('/')) reached = []
    } else {
      reached = [...reached, name]
    }
  }
  return false
}

type Found =
  | { readonly kind: 'nothing' | 'file' | 'directory' }
  | { readonly kind: 'link'; readonly target: string }

/** What is at a place of the image; everything above it is a directory. */
async function lookUp({ root, list }: Image, names: readonly string[]): Promise<Found> {
  const path = names.join('/')
  if (`/${path}` === storeDirectory || `${storeDirectory}/`.startsWith(`/${path}/`)) {
    return { kind: 'directory' }
  }
  if (!`/${path}`.startsWith(`${storeDirectory}/`)) {
    const node = findNode(root, path)
    if (node === undefined) return { kind: 'nothing' }
    return node.kind === 'symlink' ? { kind: 'link', target: node.target } : { kind: node.kind }
  }
  // Links name only store paths of the closure, which are in the image.
  if (names.length === storeDirectory.split('/').length) return { kind: 'directory' }
  const entry = (await list(`/${names.slice(0, -1).join('/')}`)).get(names.at(-1)!)
  if (entry?.target !== undefined) return { kind: 'link', target: entry.target }
  return entry?.kind === 'file' || entry?.kind === 'directory'
    ? { kind: entry.kind }
    : { kind: 'nothing' }
}

function rememberListings(files: StoreFiles): Image['list'] {
  const listings = new Map<string, Promise<ReadonlyMap<string, StoreEntry>>>()
  return (directory) => {
    const known = listings.get(directory)
    if (known !== undefined) return known
    const listing = files
      .list(directory)
      .then((entries) => new Map(entries.map((entry) => [entry.name, entry])))
    listings.set(directory, listing)
    return listing
  }
}

function splitPath(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}
