import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findLogin, keysOf } from './stored-logins.ts'

const signal = new AbortController().signal
const encode = (text: string) => Buffer.from(text).toString('base64')

test('findLogin() takes the file and the entry that come first', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-'))
  context.after(() => rm(directory, { recursive: true }))
  const environment = { HOME: directory, XDG_RUNTIME_DIR: join(directory, 'run') }
  const find = (host: string, repository: string, more = {}) =>
    findLogin(host, repository, { ...environment, ...more }, signal)
  assert.equal(await find('h', 'a'), undefined)

  await mkdir(join(directory, '.docker'))
  await writeFile(
    join(directory, '.docker', 'config.json'),
    JSON.stringify({
      auths: {
        h: { auth: encode('docker:p:w') },
        'https://old/v1/': { auth: encode('old:p') },
        'https://index.docker.io/v1/': { identitytoken: 't' },
        empty: {},
      },
    }),
  )
  assert.deepEqual(await find('h', 'a'), { kind: 'password', user: 'docker', password: 'p:w' })
  assert.deepEqual(await find('old', 'a'), { kind: 'password', user: 'old', password: 'p' })
  assert.deepEqual(await find('docker.io', 'a'), { kind: 'identity-token', token: 't' })
  assert.equal(await find('empty', 'a'), undefined)

  await mkdir(join(directory, 'run', 'containers'), { recursive: true })
  await writeFile(
    join(directory, 'run', 'containers', 'auth.json'),
    JSON.stringify({ auths: { 'h/a': { auth: encode('nested:p') } } }),
  )
  assert.deepEqual(await find('h', 'a/b'), { kind: 'password', user: 'nested', password: 'p' })
  assert.deepEqual(await find('h', 'c'), { kind: 'password', user: 'docker', password: 'p:w' })

  const chosen = join(directory, 'chosen')
  assert.equal(await find('h', 'c', { REGISTRY_AUTH_FILE: chosen }), undefined)
  await writeFile(chosen, '[')
  await assert.rejects(find('h', 'c', { REGISTRY_AUTH_FILE: chosen }), /is no file of logins/)
})

test('keysOf() begins with the longest', () => {
  assert.deepEqual(keysOf('h', 'a/b').slice(0, 3), ['h/a/b', 'h/a', 'h'])
})
