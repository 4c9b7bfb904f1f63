import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { exportTree } from '#adapters/git/export-tree.ts'
import { abortable } from '#engine/abortable.ts'
import { findObjects, readCommittedDirectory } from '#adapters/git/work-tree.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { FetchOutcome, PackageSource, PinnedSource } from '#engine/ports/package-source.ts'
import { locatePackageSet, type PrepareFlake } from './locate-package-set.ts'
import { onlyLatest } from './only-latest.ts'
import type { SourceTrees } from './source-trees.ts'

export interface PathSourceOptions {
  /** Where committed states are kept; without it nothing is ever pinned. */
  readonly trees?: SourceTrees | undefined
  readonly prepareFlake?: PrepareFlake | undefined
  /** Of the service; git gets an allow-list of it. */
  readonly environment: Readonly<NodeJS.ProcessEnv>
}

/** What is at the path: a directory, or a file in one. */
interface Place {
  readonly directory: string
  readonly file?: string
}

/**
 * A package set at a path of this machine. While everything at the path is as git has it committed,
 * that state is pinned, and served from a copy, so that edits during a build do not mix with it.
 * Otherwise the set may change at any moment, and nothing of it is cached.
 */
export function createPathSource(
  name: string,
  path: string,
  { trees, prepareFlake, environment }: PathSourceOptions,
): PackageSource {
  const setting = { inherited: environment }
  const identity = `path:${path}`
  const live: PinnedSource = { source: name, revision: 'local-files', identity, fixed: false }
  const look = coalesce(pinNow)

  async function pinNow(): Promise<PinnedSource> {
    const place = trees && (await findPlace(path))
    const committed = place && (await readCommittedDirectory(setting, place, untilItsDeadline))
    if (committed === undefined) return live
    const suffix = place?.file === undefined ? '' : `:${place.file}`
    const treeIdentity = `${treePrefix}${committed.tree}${suffix}`
    return { source: name, revision: committed.commit, identity: treeIdentity, fixed: true }
  }

  /** The place in a copy of the tree, which the repository's objects hold as long as its commit is there. */
  async function copyPlace(
    kept: SourceTrees,
    { directory, file }: Place,
    tree: string,
    signal: AbortSignal,
  ): Promise<Place> {
    const fill = async (target: string, until: AbortSignal) => {
      const objects = await findObjects(setting, directory, until)
      if (objects === undefined)
        throw new OperatingError('SOURCE_UNAVAILABLE', `${path} is in no git repository any more`)
      await exportTree(setting, { objects, tree, directory: target }, until)
    }
    const copy = await kept.tree(`tree-${tree}`, fill, signal)
    return { directory: copy, ...(file !== undefined && { file }) }
  }

  return {
    async pin(tag, signal) {
      if (tag !== 'latest') return onlyLatest(tag, () => live)
      return { kind: 'pinned', pinned: await abortable(look(), signal) }
    },

    async fetch(pinned, signal) {
      const place = await findPlace(path)
      if (place === undefined)
        throw new OperatingError('SOURCE_UNAVAILABLE', `there is nothing at ${path}`)
      const { revision, fixed } = pinned
      if (!fixed || trees === undefined) return setAt(place, pinned, prepareFlake, signal)
      const tree = pinned.identity.slice(treePrefix.length).split(':')[0] ?? revision
      const copy = await copyPlace(trees, place, tree, signal)
      return setAt(copy, pinned, prepareFlake, signal)
    },
  }
}

const treePrefix = 'git-tree:'

/** Looking has a deadline of its own, and serves everybody who waits for it. */
const untilItsDeadline = new AbortController().signal

async function setAt(
  { directory, file }: Place,
  pinned: PinnedSource,
  prepareFlake: PrepareFlake | undefined,
  signal: AbortSignal,
): Promise<FetchOutcome> {
  if (file === undefined) return locatePackageSet({ tree: directory, pinned, prepareFlake }, signal)
  const entry = join(directory, file)
  const { identity, fixed } = pinned
  return { kind: 'fetched', set: { identity, fixed, entry, readablePaths: [entry] } }
}

function findPlace(path: string): Promise<Place | undefined> {
  return guardFilesystem('cannot read the package set', async () => {
    const real = await unlessMissing(realpath(path))
    if (real === undefined) return undefined
    const isDirectory = (await stat(real)).isDirectory()
    return isDirectory ? { directory: real } : { directory: dirname(real), file: basename(real) }
  })
}

/**
 * One run at a time, however many ask. Who asks during a run gets the next one, which begins after
 * the question: what was saved before a pull counts for it.
 */
function coalesce<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  let next: Promise<T> | undefined
  const start = (): Promise<T> => {
    next = undefined
    const run = work()
    running = run
    const end = () => {
      if (running === run) running = undefined
    }
    run.then(end, end)
    return run
  }
  return () => {
    if (running === undefined) return start()
    return (next ??= running.then(start, start))
  }
}
