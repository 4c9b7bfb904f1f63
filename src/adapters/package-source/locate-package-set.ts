import { realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import type {
  FetchOutcome,
  FlakeInputs,
  PackageSet,
  PinnedSource,
  SourceFailure,
} from '#engine/ports/package-source.ts'

/** Brings the locked inputs of the flake in a directory to this machine. */
export type PrepareFlake = (
  directory: string,
  pinned: PinnedSource,
  signal: AbortSignal,
) => Promise<FlakeInputs | SourceFailure>

export interface FetchedTree {
  /** A real path: Nix compares it with what evaluation may read. */
  readonly tree: string
  readonly pinned: PinnedSource
  /** Where in the tree the set is; its top unless set. */
  readonly entry?: string | undefined
  readonly prepareFlake?: PrepareFlake | undefined
}

/**
 * What Nix imports of a fetched tree: a file, or a directory with `default.nix`, or one with
 * `flake.nix` when it has no `default.nix`. Nothing outside of the tree, wherever its links lead.
 */
export async function locatePackageSet(
  { tree, pinned, entry = '', prepareFlake }: FetchedTree,
  signal: AbortSignal,
): Promise<FetchOutcome> {
  const unusable = (message: string): SourceFailure => ({
    kind: 'unusable-source',
    revision: pinned.revision,
    message,
  })
  const path = await find(join(tree, entry))
  if (path === undefined) return unusable(`the package set has no ${entry}`)
  if (!isWithin(tree, path)) return unusable(`${entry} leads out of the package set`)
  const set: PackageSet = {
    identity: pinned.identity,
    fixed: pinned.fixed,
    entry: path,
    readablePaths: [tree],
  }
  if (!(await isDirectory(path)) || (await isInside(tree, join(path, 'default.nix'))))
    return { kind: 'fetched', set }
  const where = entry === '' ? '' : ` in ${entry}`
  if (!(await isInside(tree, join(path, 'flake.nix'))))
    return unusable(`the package set has neither default.nix nor flake.nix${where}`)
  if (prepareFlake === undefined)
    return unusable(`the package set has a flake.nix and no default.nix${where}`)
  const flake = await prepareFlake(path, pinned, signal)
  return 'kind' in flake ? flake : { kind: 'fetched', set: { ...set, flake } }
}

/** The real path; `undefined` when it leads nowhere, through a file or in a circle. */
function find(path: string): Promise<string | undefined> {
  return guardFilesystem('cannot read a source', async () => {
    try {
      return await realpath(path)
    } catch (error) {
      if (leadsNowhere.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
      throw error
    }
  })
}

const leadsNowhere: readonly string[] = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']

async function isInside(tree: string, path: string): Promise<boolean> {
  const found = await find(path)
  return found !== undefined && isWithin(tree, found)
}

function isWithin(tree: string, path: string): boolean {
  return path === tree || path.startsWith(`${tree}/`)
}

async function isDirectory(path: string): Promise<boolean> {
  return guardFilesystem('cannot read a source', async () => (await stat(path)).isDirectory())
}
