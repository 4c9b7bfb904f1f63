import { join } from 'node:path'
import { runPlainGit } from '#test/sources/git-repository.ts'
import type { RegistrySite } from './registry-site.ts'

/** Makes the package set of a site one that is pinned, so that its images are cached. */
export async function commitPackageSet({
  directory,
}: Pick<RegistrySite, 'directory'>): Promise<void> {
  const set = join(directory, 'set')
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  await runPlainGit(set, 'init', '--quiet')
  await runPlainGit(set, 'add', '--all')
  await runPlainGit(set, ...identity, 'commit', '--quiet', '--message=set')
}
