import { join } from 'node:path'
import { UnfitTree } from '#adapters/git/export-tree.ts'
import { GitRemote } from '#adapters/git/git-remote.ts'
import type { References } from '#adapters/git/references.ts'
import { foldAttributeName } from '#core/nix/attribute-path.ts'
import { nearNames } from '#core/nix/near-names.ts'
import { digestHex, digestOf } from '#core/oci/digest.ts'
import { isTag, parseGitReference, type GitReference } from '#core/request/git-reference.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type {
  FetchOutcome,
  PackageSource,
  PinnedSource,
  PinOutcome,
} from '#engine/ports/package-source.ts'
import { refuseCommit } from './check-commit.ts'
import type { FindCredential } from './credentials.ts'
import { locatePackageSet, type PrepareFlake } from './locate-package-set.ts'
import { PinMemory, type PinMemoryOptions, type RememberedPin } from './remembered-pins.ts'
import { refuseTag } from './served-tags.ts'
import type { SourceTrees } from './source-trees.ts'

/** What every source with an origin elsewhere needs. */
export interface RemoteSourceOptions {
  /** Of the source in requests; '' for the one that needs none. */
  readonly name: string
  /** Pins and repositories are kept below it. */
  readonly stateDirectory: string
  readonly trees: SourceTrees
  /** Patterns of tags that are served beside `latest`; all of them unless set. */
  readonly allowedTags?: readonly string[] | undefined
  /** Serve commits that no branch or tag leads to. */
  readonly anyCommit: boolean
  /** So long a moving reference is not looked up again. */
  readonly pinTtlMs: number
  readonly findCredential?: FindCredential | undefined
  readonly clock: Clock
  readonly now?: () => number
  readonly environment: Readonly<NodeJS.ProcessEnv>
  /** Called once when the origin is lost, and once when it is back. */
  readonly onOutage: (origin: string, error: unknown) => void
  readonly onRecovery: (origin: string) => void
  /** A reference of the origin leads to another commit than `before`, or was not known. */
  readonly onMove?: PinMemoryOptions['onMove']
  /** The files of a revision are on this machine, and were not before. */
  readonly onFetch?: ((revision: string) => void) | undefined
}

export interface GitSourceOptions extends RemoteSourceOptions {
  /** Any address that git understands. */
  readonly url: string
  /** Path in the repository of the file or directory with the set; its top unless set. */
  readonly entry?: string | undefined
  readonly prepareFlake?: PrepareFlake | undefined
}

/** The origin does not have what it was pinned to. */
class MissingCommit extends Error {}

/**
 * A package set in a git repository. The tag is a branch, a tag or a commit, `latest` the default
 * branch. Submodules and LFS are not followed.
 */
export function createGitSource(
  options: GitSourceOptions,
): PackageSource & { close(): Promise<void> } {
  const { name, entry, allowedTags, anyCommit, prepareFlake } = options
  const remote = openRemote(options, options.url)
  const pins = openPins(options, remote.url)
  const rule = { remote, pins, anyCommit }

  function pinned({ commit, staleSinceMs }: RememberedPin): PinOutcome {
    const suffix = entry === undefined ? '' : `:${entry}`
    return {
      kind: 'pinned',
      pinned: {
        source: name,
        revision: commit,
        identity: `git:${commit}${suffix}`,
        fixed: true,
        origin: remote.url,
        ...(staleSinceMs !== undefined && { staleSinceMs }),
      },
    }
  }

  async function pinMoving(
    tag: string,
    reference: GitReference,
    signal: AbortSignal,
  ): Promise<PinOutcome> {
    const pin = await pins.resolve(tag, (until) => remote.resolve(reference, until), signal)
    if (pin === undefined) return unknownTag(tag, remote, signal)
    // Whoever learns the commit from the image can ask for it by its id.
    await pins.remember(pin.commit)
    return pinned(pin)
  }

  return {
    async pin(tag, signal) {
      const refused = refuseTag(allowedTags, tag)
      if (refused !== undefined) return refused
      const reference = parseGitReference(tag)
      if (reference.kind === 'invalid') return describeUnknown(tag, [])
      if (reference.kind !== 'commit') return pinMoving(tag, reference, signal)
      const { commit } = reference
      return (await refuseCommit(rule, commit, signal)) ?? pinned({ commit })
    },

    recall(tag) {
      const isMoving = parseGitReference(tag).kind !== 'commit'
      const isServed = isMoving && refuseTag(allowedTags, tag) === undefined
      const pin = isServed ? pins.recall(tag) : undefined
      return pin && pinned(pin)
    },

    async fetch(source, signal) {
      const tree = await fetchTree(options, remote, source, signal)
      if (typeof tree !== 'string') return tree
      return locatePackageSet({ tree, pinned: source, entry, prepareFlake }, signal)
    },

    async close() {
      pins.close()
      remote.close()
    },
  }
}

/** The origin with a state directory of its address. */
export function openRemote(options: RemoteSourceOptions, url: string): GitRemote {
  return new GitRemote({
    url,
    directory: join(options.stateDirectory, 'git'),
    environment: options.environment,
    ...(options.findCredential && { findCredential: options.findCredential }),
    ...(options.now && { now: options.now }),
  })
}

/** What is remembered of an origin; equal origins share it. */
export function openPins(options: RemoteSourceOptions, origin: string): PinMemory {
  return new PinMemory({
    directory: join(options.stateDirectory, 'pins', digestHex(digestOf(origin)).slice(0, 32)),
    ttlMs: options.pinTtlMs,
    clock: options.clock,
    ...(options.now && { now: options.now }),
    onOutage: (error) => options.onOutage(origin, error),
    onRecovery: () => options.onRecovery(origin),
    onMove: options.onMove,
  })
}

async function fetchTree(
  { trees, onFetch }: RemoteSourceOptions,
  remote: GitRemote,
  { revision }: PinnedSource,
  signal: AbortSignal,
): Promise<string | Exclude<FetchOutcome, { kind: 'fetched' }>> {
  const fill = async (directory: string, until: AbortSignal) => {
    if ((await remote.fetchCommit(revision, until)) === 'missing') throw new MissingCommit()
    await remote.export(revision, directory, until)
    onFetch?.(revision)
  }
  try {
    return await trees.tree(`git-${revision}`, fill, signal)
  } catch (error) {
    if (error instanceof UnfitTree)
      return { kind: 'unusable-source', revision, message: error.message }
    if (!(error instanceof MissingCommit)) throw error
    const message = `the repository has no commit ${revision}`
    return { kind: 'unusable-source', revision, message }
  }
}

/** The names are those of the answer that did not have the tag. */
export async function unknownTag(
  tag: string,
  remote: GitRemote,
  signal: AbortSignal,
): Promise<PinOutcome> {
  return describeUnknown(tag, nearTags(tag, await remote.references(signal)))
}

/** Comparing so many with one that a stranger made up takes about 50 ms, in which nothing else runs. */
const mostCompared = 5_000

function nearTags(tag: string, { branches, tags }: References): readonly string[] {
  if (branches.size + tags.size > mostCompared) return []
  const names = [...branches.keys(), ...tags.keys()].filter(isTag)
  const byFolded = new Map(names.map((name) => [foldAttributeName(name), name]))
  return nearNames(tag, names).map((folded) => byFolded.get(folded) ?? folded)
}

/** `near` are tags that may have been meant. */
export function describeUnknown(tag: string, near: readonly string[]): PinOutcome {
  const hint =
    near.length === 0
      ? 'a tag is latest, a branch, a tag or a whole commit id'
      : `did you mean ${near.join(', ')}?`
  return { kind: 'unknown-tag', message: `the repository has no branch or tag ${tag}: ${hint}` }
}
