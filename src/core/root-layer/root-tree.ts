import { strict as assert } from 'node:assert'
import type { TarEntry } from '#core/tar/tar-entry.ts'

/** The root file system of an image while it is put together. */
export interface RootDirectory {
  readonly kind: 'directory'
  mode: number
  readonly children: Map<string, RootNode>
}

export type RootNode =
  | RootDirectory
  | { readonly kind: 'file'; readonly mode: number; readonly contents: Uint8Array }
  | { readonly kind: 'symlink'; readonly target: string }

export function makeDirectory(mode = 0o755): RootDirectory {
  return { kind: 'directory', mode, children: new Map() }
}

/** What is at a path such as `etc/ssl`, without following links; `undefined` when nothing is. */
export function findNode(root: RootDirectory, path: string): RootNode | undefined {
  let node: RootNode | undefined = root
  for (const name of path.split('/')) {
    node = node?.kind === 'directory' ? node.children.get(name) : undefined
  }
  return node
}

/**
 * Puts a node where nothing is yet, making the directories above it. False, and nothing is changed,
 * when the place is taken or below something that is no directory.
 */
export function addNode(root: RootDirectory, path: string, node: RootNode): boolean {
  const names = path.split('/')
  const last = names.pop()
  assert.ok(last !== undefined && last !== '', `${JSON.stringify(path)} names a node`)
  let directory = root
  for (const name of names) {
    const next: RootNode = directory.children.get(name) ?? makeDirectory()
    if (next.kind !== 'directory') return false
    directory.children.set(name, next)
    directory = next
  }
  if (directory.children.has(last)) return false
  directory.children.set(last, node)
  return true
}

export function removeNode(root: RootDirectory, path: string): void {
  const slash = path.lastIndexOf('/')
  const directory = slash < 0 ? root : findNode(root, path.slice(0, slash))
  if (directory?.kind === 'directory') directory.children.delete(path.slice(slash + 1))
}

/** Everything below the root, in byte order of the paths. */
export function listTarEntries(root: RootDirectory): readonly TarEntry[] {
  const entries: TarEntry[] = []
  const waiting: { path: string; node: RootNode }[] = [...childrenOf('', root)]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, node } = next
    entries.push(toTarEntry(path, node))
    if (node.kind === 'directory') waiting.push(...childrenOf(`${path}/`, node))
  }
  return entries.sort((one, other) => (one.path < other.path ? -1 : 1))
}

function toTarEntry(path: string, node: RootNode): TarEntry {
  return node.kind === 'directory' ? { kind: node.kind, path, mode: node.mode } : { ...node, path }
}

function childrenOf(prefix: string, directory: RootDirectory): { path: string; node: RootNode }[] {
  return [...directory.children].map(([name, node]) => ({ path: prefix + name, node }))
}
