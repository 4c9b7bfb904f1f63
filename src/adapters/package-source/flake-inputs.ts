import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { join, relative } from 'node:path'

import {
  dateInfo,
  defaultForgeArchives,
  readLockedInput,
  revisionInfo,
  type ForgeArchives,
  type InputOrigin,
  type LockedInput,
} from '#core/nix/flake-input.ts'
import {
  emptyFlakeLock,
  parseFlakeLock,
  reachableNodes,
  type FlakeLock,
} from '#core/nix/flake-lock.ts'
import type { Sha256Hex } from '#core/nix/sha256-hash.ts'
import type { FlakeInput, PinnedSource } from '#engine/ports/package-source.ts'
import { runInLanes } from '#engine/run-in-lanes.ts'
import type { PrepareFlake } from './locate-package-set.ts'
import type { SourceTrees } from './source-trees.ts'

/** How an attempt to get the content of an input ended. */
export type InputEnd =
  | { readonly kind: 'fetched' }
  /** The origin has no such thing. */
  | { readonly kind: 'missing' }
  /** It is not what it must be; `message` says in one line why. */
  | { readonly kind: 'unfit'; readonly message: string }

/**
 * How the content of an input gets into an empty directory, or to a path that does not exist. An
 * origin that cannot be reached is an `OperatingError` `SOURCE_UNAVAILABLE`.
 */
export interface InputFetchers {
  /** Unpacks an archive of any common compression, without its outermost directory. */
  tarball(url: string, directory: string, signal: AbortSignal): Promise<InputEnd>
  file(url: string, path: string, signal: AbortSignal): Promise<InputEnd>
  git(url: string, commit: string, directory: string, signal: AbortSignal): Promise<InputEnd>
}

export interface PrepareFlakeOptions {
  readonly trees: SourceTrees
  readonly fetchers: InputFetchers
  /** Copies a path into the store and gives the hash of its content; see `openSourceStore`. */
  readonly addSource: (path: string, signal: AbortSignal) => Promise<Sha256Hex>
  readonly forges?: Partial<ForgeArchives>
}

/** A lock of a thousand nodes has some hundred kilobytes. */
const lockLimitBytes = 4 * 1024 * 1024

const mostInputs = 200

/** They reach Nix as one argument with the names of packages, and Linux bounds each at 128 KiB. */
const mostInputBytes = 90 * 1024

const fetchesAtOnce = 4

/** A flake that cannot be served, for reasons that lie in the flake. */
class UnusableFlake extends Error {}

/**
 * Brings every locked input that the root leads to here, checked against its `narHash`, so that
 * evaluation needs no network. Contents are kept under their hash: a second time costs nothing.
 */
export function createPrepareFlake(options: PrepareFlakeOptions): PrepareFlake {
  return async (tree, pinned, signal) => {
    try {
      const lock = await readLock(tree)
      const fetched = await new LockedInputs(options, lock, tree).fetch(signal)
      const nodes = { ...fetched, [lock.root]: { path: tree, info: rootInfo(pinned) } }
      if (Buffer.byteLength(JSON.stringify(nodes)) > mostInputBytes)
        throw new UnusableFlake('the names and places of its inputs are too long')
      return { nodes }
    } catch (error) {
      if (!(error instanceof UnusableFlake)) throw error
      return { kind: 'unusable-source', revision: pinned.revision, message: error.message }
    }
  }
}

/**
 * What the flake learns of itself: its commit, if that is what images are cached under. The time is
 * that of every file in the store, because packages must not differ by when a commit was made.
 */
function rootInfo({ revision, identity }: PinnedSource): FlakeInput['info'] {
  const isKnown = /^[0-9a-f]{40}$/.test(revision) && identity.includes(revision)
  return { ...(isKnown && revisionInfo(revision)), ...dateInfo(1) }
}

async function readLock(tree: string): Promise<FlakeLock> {
  const text = await readTextWithin(join(tree, 'flake.lock'), lockLimitBytes)
  if (text === undefined) return emptyFlakeLock
  const outcome = parseFlakeLock(parseJson(text))
  if (outcome.kind === 'lock') return outcome.lock
  throw new UnusableFlake(`its flake.lock cannot be used: ${outcome.message}`)
}

/** The text of a file of a stranger's tree: a link may lead out of it, so it is not followed. */
async function readTextWithin(path: string, limitBytes: number): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      if (error.code === 'ELOOP') throw new UnusableFlake('its flake.lock is a symbolic link')
      throw error
    },
  )
  if (file === undefined) return undefined
  await using handle = file
  const info = await handle.stat()
  if (!info.isFile() || info.size > limitBytes) {
    throw new UnusableFlake(`its flake.lock is no file of at most ${limitBytes} bytes`)
  }
  return handle.readFile('utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UnusableFlake('its flake.lock is not JSON')
  }
}

/** The inputs of one flake while they are fetched. */
class LockedInputs {
  readonly #options: PrepareFlakeOptions
  readonly #lock: FlakeLock
  readonly #inputs: ReadonlyMap<string, LockedInput>
  /** The trees that are here, by node. */
  readonly #trees: Map<string, string>

  constructor(options: PrepareFlakeOptions, lock: FlakeLock, tree: string) {
    this.#options = options
    this.#lock = lock
    this.#trees = new Map([[lock.root, tree]])
    const forges = { ...defaultForgeArchives, ...options.forges }
    const names = reachableNodes(lock)
    if (names.length > mostInputs) {
      throw new UnusableFlake(`its flake.lock has more than ${mostInputs} inputs`)
    }
    this.#inputs = new Map(names.map((name) => [name, readInput(lock, name, forges)]))
  }

  async fetch(signal: AbortSignal): Promise<Record<string, FlakeInput>> {
    const fetchOne = async ([name, input]: [string, LockedInput], until: AbortSignal) => {
      if (input.origin.kind !== 'path')
        this.#trees.set(name, await this.#download(name, input.origin, input.narHash, until))
    }
    await runInLanes(this.#inputs, fetchesAtOnce, fetchOne, signal)
    const nodes: [string, FlakeInput][] = []
    for (const [name, { info }] of this.#inputs) {
      nodes.push([name, { path: await this.#treeOf(name, signal), info }])
    }
    return Object.fromEntries(nodes)
  }

  /** What is published under a hash has it: a tree with another content never gets there. */
  async #download(
    name: string,
    origin: Exclude<InputOrigin, { readonly kind: 'path' }>,
    narHash: Sha256Hex | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const { trees, fetchers } = this.#options
    const isFile = origin.kind === 'file'
    const contentOf = (directory: string) => (isFile ? join(directory, 'source') : directory)
    const fill = async (directory: string, until: AbortSignal) => {
      const content = contentOf(directory)
      const end =
        origin.kind === 'git'
          ? await fetchers.git(origin.url, origin.commit, content, until)
          : await fetchers[origin.kind](origin.url, content, until)
      if (end.kind === 'missing')
        throw unusable(name, 'is not there any more where flake.lock says')
      if (end.kind === 'unfit') throw unusable(name, `cannot be unpacked: ${end.message}`)
      await this.#check(name, content, narHash, until)
    }
    const key = `flake-${isFile ? 'file' : 'tree'}-${narHash}`
    return contentOf(await trees.tree(key, fill, signal))
  }

  async #check(
    name: string,
    path: string,
    narHash: Sha256Hex | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const hash = await this.#options.addSource(path, signal)
    if (hash === narHash) return
    const spell = (hex: Sha256Hex = '') => `sha256-${Buffer.from(hex, 'hex').toString('base64')}`
    throw unusable(name, `has the content ${spell(hash)}, but flake.lock says ${spell(narHash)}`)
  }

  /** Where a node's tree is; of a relative path, inside the fetched one that it begins in. */
  async #treeOf(name: string, signal: AbortSignal): Promise<string> {
    const known = this.#trees.get(name)
    if (known !== undefined) return known
    const { origin, narHash } = this.#inputs.get(name)!
    if (origin.kind !== 'path') throw new Error(`${name} was fetched before`)
    const outermost = this.#outermost(name)
    const { parent } = this.#lock.nodes.get(name)!
    const beginning = await this.#treeOf(parent ?? outermost, signal)
    const path = await insideOf(this.#trees.get(outermost)!, join(beginning, origin.path))
    if (path === undefined) throw unusable(name, 'is a path that does not lie in the flake')
    // Its own hash counts only in lock files from before Nix 2.26, where it is a tree of its own.
    if (parent === undefined && narHash !== undefined)
      await this.#check(name, path, narHash, signal)
    this.#trees.set(name, path)
    return path
  }

  /** The node that was fetched as a whole, above one or more relative paths. */
  #outermost(name: string): string {
    let node = name
    for (let steps = 0; steps <= this.#inputs.size; steps++) {
      if (this.#inputs.get(node)?.origin.kind !== 'path') return node
      node = this.#lock.nodes.get(node)?.parent ?? this.#lock.root
    }
    throw unusable(name, 'is a path inside itself')
  }
}

function readInput(lock: FlakeLock, name: string, forges: ForgeArchives): LockedInput {
  const node = lock.nodes.get(name)
  if (node?.locked === undefined) throw unusable(name, 'is not locked: run nix flake lock')
  const outcome = readLockedInput(node.locked, forges)
  if (outcome.kind === 'unusable') throw unusable(name, outcome.message)
  if (node.parent !== undefined && outcome.input.origin.kind !== 'path') {
    throw unusable(name, 'has a parent, which only paths have')
  }
  return outcome.input
}

/** The path with links resolved, when that lies in the tree. */
async function insideOf(tree: string, path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path)
    const way = relative(await realpath(tree), real)
    return way === '..' || way.startsWith('../') ? undefined : real
  } catch {
    return undefined
  }
}

function unusable(name: string, message: string): UnusableFlake {
  return new UnusableFlake(`the flake input ${name} ${message}`)
}
