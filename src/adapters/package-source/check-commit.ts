import type { GitRemote } from '#adapters/git/git-remote.ts'
import type { PinOutcome } from '#engine/ports/package-source.ts'
import type { PinMemory } from './remembered-pins.ts'

export interface CommitRule {
  readonly remote: GitRemote
  readonly pins: PinMemory
  /** Serve what the server has, whoever it is from. */
  readonly anyCommit: boolean
}

/**
 * Why a commit is not served; `undefined` when it is. Servers give out the commits of everybody's
 * forks by their id, so only what a branch or tag of the repository leads to is trusted. What was
 * found good once stays so, also when the origin is lost or the branch is rewritten.
 */
export async function refuseCommit(
  { remote, pins, anyCommit }: CommitRule,
  commit: string,
  signal: AbortSignal,
): Promise<Extract<PinOutcome, { kind: 'unknown-tag' }> | undefined> {
  if (anyCommit || (await pins.knows(commit))) return undefined
  if ((await remote.advertises(commit, signal)) || (await remote.reaches(commit, signal))) {
    await pins.remember(commit)
    return undefined
  }
  return {
    kind: 'unknown-tag',
    message: `no branch or tag of the repository leads to the commit ${commit}; the operator can allow it with NIXERY_ANY_COMMIT=on`,
  }
}
