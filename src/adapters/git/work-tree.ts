import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isCommit } from '#core/request/git-reference.ts'
import { runGit, type GitSetting } from './run-git.ts'

/** A directory whose files are those of a commit. */
export interface CommittedDirectory {
  readonly commit: string
  /** Of this directory in the commit: equal trees have equal files. */
  readonly tree: string
}

// A cold disk under a hundred thousand files.
const lookTimeoutMs = 60_000

/**
 * What a directory, or one file in it, is in the commit that is checked out; `undefined` when it
 * differs, holds files that git neither has nor ignores, or belongs to no commit at all. That git
 * refuses the repository of another user counts as such: its configuration names programs that
 * looking would run as the service's user. A repository with submodules never counts, because a
 * commit does not hold their files.
 *
 * Two processes; git compares times and sizes, and reads only files whose times say nothing.
 */
export async function readCommittedDirectory(
  setting: GitSetting,
  { directory, file = '.' }: { readonly directory: string; readonly file?: string },
  signal: AbortSignal,
): Promise<CommittedDirectory | undefined> {
  const git = (...args: readonly string[]) => runIn(setting, directory, args, signal)
  // The commit before the state: who commits in between had these files at this commit, too.
  const said = await git('rev-parse', '--show-toplevel', 'HEAD', 'HEAD:./', `HEAD:./${file}`)
  const [top = '', commit = '', tree = '', , rest] = said?.split('\n') ?? []
  if (!isCommit(commit) || !isCommit(tree) || rest !== '') return undefined
  if (existsSync(join(top, '.gitmodules'))) return undefined
  const options = ['--porcelain', '-z', '--untracked-files=normal', '--ignore-submodules=none']
  const changes = await git('status', ...options, '--', `:(literal)${file}`)
  return changes === '' ? { commit, tree } : undefined
}

/** Where the repository that a directory lies in has its objects. */
export async function findObjects(
  setting: GitSetting,
  directory: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const args = ['rev-parse', '--path-format=absolute', '--git-path', 'objects']
  return (await runIn(setting, directory, args, signal))?.replace(/\n$/, '')
}

/** What git printed; `undefined` when it failed. */
async function runIn(
  setting: GitSetting,
  directory: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const command = { args: ['-C', directory, ...args], timeoutMs: lookTimeoutMs }
  const end = await runGit(setting, command, signal)
  return end.kind === 'succeeded' ? end.stdout : undefined
}
