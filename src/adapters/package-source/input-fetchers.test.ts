import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { makeGitRepository } from '#test/sources/git-repository.ts'
import { startGitHttpServer } from '#test/sources/git-servers.ts'
import { createInputFetchers, withoutLogins } from './input-fetchers.ts'

const skip = skipUnless(['git', 'flock'])
const { signal } = new AbortController()

test(
  'withoutLogins() keeps the logins of the user from what a lock file names',
  {
    skip,
  },
  async (context) => {
    const directory = await mkdtemp(join(tmpdir(), 'nixery-inputs-'))
    context.after(() => rm(directory, { recursive: true, force: true }))
    const repository = await makeGitRepository(join(directory, 'served', 'private.git'))
    const commit = await repository.commit('main', { 'default.nix': '1' })
    const login = { username: 'ada', password: 's3cret' }
    const server = await startGitHttpServer(join(directory, 'served'), { login })
    context.after(() => server[Symbol.asyncDispose]())
    const home = join(directory, 'home')
    await mkdir(home)
    await writeFile(join(home, '.netrc'), 'machine 127.0.0.1 login ada password s3cret\n')
    const environment = { PATH: process.env['PATH'], HOME: home }
    const url = `${server.url}/private.git`

    async function fetchWith(name: string, used: NodeJS.ProcessEnv) {
      const target = join(directory, name)
      await mkdir(target)
      const gitDirectory = join(directory, `${name}.git`)
      const fetchers = createInputFetchers({ gitDirectory, environment: used })
      await fetchers.git(url, commit, target, signal)
      return readFile(join(target, 'default.nix'), 'utf8')
    }
    assert.equal(await fetchWith('own', environment), '1')
    await assert.rejects(fetchWith('strangers', withoutLogins(environment)), {
      code: 'SOURCE_UNAVAILABLE',
    })
  },
)
