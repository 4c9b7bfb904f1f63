import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** A bare repository with real commits, which tests grow. */
export interface GitRepository {
  readonly path: string
  /** Commits these files on a branch and gives the commit; files that were there stay. */
  commit(branch: string, files: Readonly<Record<string, string>>): Promise<string>
  /** Runs git in the repository; gives what it printed, without the last line end. */
  git(...args: readonly string[]): Promise<string>
}

const people = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
}

/** git's environment without the settings of whoever runs the tests. */
export function plainGitEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
  }
}

export async function runPlainGit(directory: string, ...args: readonly string[]): Promise<string> {
  const environment = { ...plainGitEnvironment(), ...people }
  const { stdout } = await promisify(execFile)('git', ['-C', directory, ...args], {
    env: environment,
    timeout: 60_000,
  })
  return stdout.replace(/\n$/, '')
}

/** Makes a repository whose default branch is `main`, without a commit. */
export async function makeGitRepository(path: string): Promise<GitRepository> {
  const work = `${path}.work`
  await mkdir(path, { recursive: true })
  await runPlainGit(path, 'init', '--quiet', '--bare', '--initial-branch=main')
  await runPlainGit(path, 'config', 'uploadpack.allowFilter', 'true')
  const git = (...args: readonly string[]) => runPlainGit(path, ...args)
  return {
    path,
    git,
    async commit(branch, files) {
      await mkdir(work, { recursive: true })
      const inWork = (...args: readonly string[]) =>
        git(`--work-tree=${work}`, '-c', 'core.bare=false', ...args)
      await git('symbolic-ref', 'HEAD', `refs/heads/${branch}`)
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(work, name)), { recursive: true })
        await writeFile(join(work, name), text)
      }
      await inWork('add', '--all', '--', '.')
      await inWork('commit', '--quiet', '--allow-empty', '--message', `on ${branch}`)
      const commit = await git('rev-parse', 'HEAD')
      await git('symbolic-ref', 'HEAD', 'refs/heads/main')
      return commit
    },
  }
}
