import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { plainGitEnvironment } from './git-repository.ts'

/** What servers of git give as the archive of a commit: one directory at the top, gzip. */
export async function makeGitArchive(repository: string, commit: string): Promise<Buffer> {
  const { stdout } = await promisify(execFile)(
    'git',
    ['-C', repository, 'archive', '--format=tar.gz', `--prefix=set-${commit}/`, commit],
    { env: plainGitEnvironment(), encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 },
  )
  return stdout
}
