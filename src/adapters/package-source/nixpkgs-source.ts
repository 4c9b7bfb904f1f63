import type { GitRemote } from '#adapters/git/git-remote.ts'
import { isCommit, isReferenceName, parseGitReference } from '#core/request/git-reference.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { PackageSource, PinnedSource, PinOutcome } from '#engine/ports/package-source.ts'
import { readChannelRevision } from './channel-revision.ts'
import { refuseCommit } from './check-commit.ts'
import { downloadTarball } from './download-tarball.ts'
import {
  describeUnknown,
  openPins,
  openRemote,
  unknownTag,
  type RemoteSourceOptions,
} from './git-source.ts'
import { locatePackageSet } from './locate-package-set.ts'
import type { RememberedPin } from './remembered-pins.ts'
import { refuseTag } from './served-tags.ts'

export interface NixpkgsSourceOptions extends RemoteSourceOptions {
  /** What `latest` is: a channel, a branch or a whole commit id. */
  readonly channel: string
  /** Where branches and commits are looked up. */
  readonly repository?: string | undefined
  /** Below it `<channel>/git-revision` says which commit a channel is at. */
  readonly channels?: string | undefined
  /** Address of a commit's archive, `{commit}` standing for the commit. */
  readonly tarball?: string | undefined
}

const defaultRepository = 'https://github.com/NixOS/nixpkgs'
const defaultChannels = 'https://channels.nixos.org'

/** The archive is not that of the commit, or there is none. */
class UnusableArchive extends Error {}

/**
 * nixpkgs, by channel, branch or commit. What is fetched is the archive of the commit: servers have it
 * ready, while git would have to keep the objects of every state beside the files.
 */
export function createNixpkgsSource(
  options: NixpkgsSourceOptions,
): PackageSource & { close(): Promise<void> } {
  const { name, channel, trees, allowedTags, anyCommit, findCredential, environment, onFetch } =
    options
  const channels = options.channels ?? defaultChannels
  const remote = openRemote(options, options.repository ?? defaultRepository)
  const tarball = options.tarball ?? archiveTemplate(options.repository ?? defaultRepository)
  const pins = openPins(options, remote.url)
  const rule = { remote, pins, anyCommit }

  function pinned({ commit, staleSinceMs }: RememberedPin): PinOutcome {
    return {
      kind: 'pinned',
      pinned: {
        source: name,
        revision: commit,
        // Not that of the same commit through git: an archive is made by the rules of .gitattributes,
        // and what it says of itself is all that vouches for it.
        identity: `archive:${commit}`,
        fixed: true,
        origin: remote.url,
        ...(staleSinceMs !== undefined && { staleSinceMs }),
      },
    }
  }

  async function fetchTree({ revision }: PinnedSource, signal: AbortSignal): Promise<string> {
    const fill = async (directory: string, until: AbortSignal) => {
      const url = tarball.replaceAll('{commit}', revision)
      const credential = await findCredential?.(url)
      const end = await downloadTarball({ url, directory, credential, environment }, until)
      if (end.kind === 'missing')
        throw new UnusableArchive(`there is no archive of the commit ${revision}`)
      if (end.kind === 'unfit')
        throw new UnusableArchive(`the archive of ${revision} cannot be used: ${end.message}`)
      if (end.commit !== undefined && end.commit !== revision)
        throw new UnusableArchive(`the archive of ${revision} is that of ${end.commit}`)
      onFetch?.(revision)
    }
    return trees.tree(`archive-${revision}`, fill, signal)
  }

  return {
    async pin(tag, signal) {
      const refused = refuseTag(allowedTags, tag)
      if (refused !== undefined) return refused
      // The operator's own word needs no check.
      if (tag === 'latest' && isCommit(channel)) return pinned({ commit: channel })
      const wanted = tag === 'latest' ? channel : tag
      if (isCommit(wanted))
        return (await refuseCommit(rule, wanted, signal)) ?? pinned({ commit: wanted })
      if (!isReferenceName(wanted)) return describeUnknown(wanted, [])
      const ask = (until: AbortSignal) => resolveName(options, remote, channels, wanted, until)
      const pin = await pins.resolve(referenceOf(wanted), ask, signal)
      if (pin === undefined) return unknownTag(wanted, remote, signal)
      await pins.remember(pin.commit)
      return pinned(pin)
    },

    recall(tag) {
      if (refuseTag(allowedTags, tag) !== undefined) return undefined
      const wanted = tag === 'latest' ? channel : tag
      if (isCommit(wanted)) return tag === 'latest' ? pinned({ commit: wanted }) : undefined
      const pin = pins.recall(referenceOf(wanted))
      return pin && pinned(pin)
    },

    async fetch(source, signal) {
      try {
        const tree = await fetchTree(source, signal)
        return await locatePackageSet({ tree, pinned: source }, signal)
      } catch (error) {
        if (!(error instanceof UnusableArchive)) throw error
        const { revision } = source
        return { kind: 'unusable-source', revision, message: error.message }
      }
    },

    async close() {
      pins.close()
      remote.close()
    },
  }
}

/** Not to be taken for the branch of that name, which a git source of the same address pins. */
function referenceOf(channel: string): string {
  return `channel ${channel}`
}

/** GitHub's address of archives, which its Enterprise server and Forgejo have as well. */
function archiveTemplate(repository: string): string {
  return `${repository.replace(/(\.git)?\/?$/, '')}/archive/{commit}.tar.gz`
}

/**
 * The commit of a channel or branch. Channels are branches as well, so either of the two servers may
 * be lost; but what one of them does not have counts as gone only when the other was asked too.
 */
async function resolveName(
  { findCredential }: NixpkgsSourceOptions,
  remote: GitRemote,
  channels: string,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let lost: OperatingError | undefined
  try {
    const commit = await readChannelRevision(channels, name, findCredential, signal)
    if (commit !== undefined) return commit
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error
    lost = error
  }
  const reference = parseGitReference(name)
  const commit = await remote.resolve(
    // A branch that is called latest is not the default branch.
    reference.kind === 'default' ? { kind: 'name', name } : reference,
    signal,
  )
  if (commit === undefined && lost !== undefined) throw lost
  return commit
}
