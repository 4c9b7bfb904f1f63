import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { credentialsFromFiles } from './credentials.ts'

async function makeFiles(context: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-credentials-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const [tokenPath, netrcPath] = [join(directory, 'token'), join(directory, 'netrc')]
  await writeFile(tokenPath, 's3cret\n')
  await writeFile(netrcPath, 'machine b.example login ada password p\n')
  return { tokenPath, netrcPath }
}

test('credentialsFromFiles() gives a token to its origin and netrc to its hosts', async (context) => {
  const { tokenPath, netrcPath } = await makeFiles(context)
  const token = { path: tokenPath, urls: ['https://a.example/x/y.git', 'git@c.example:x'] }
  const find = credentialsFromFiles({ token, netrcPath })
  const expected = { username: 'x-access-token', password: 's3cret' }
  assert.deepEqual(await find('https://a.example/other'), expected)
  assert.deepEqual(await find('https://b.example:8443/z'), { username: 'ada', password: 'p' })
  for (const url of [
    'http://a.example/x',
    'https://a.example:444/x',
    'https://a.example.evil/x',
    'ssh://git@a.example/x',
    'git@b.example:x',
    '/b.example',
  ])
    assert.equal(await find(url), undefined, url)
  await writeFile(tokenPath, 'oauth2:renewed:1')
  const renewed = await find('https://a.example/x')
  assert.deepEqual(renewed, { username: 'oauth2', password: 'renewed:1' })
})

test('credentialsFromFiles() names a file that cannot be read', async () => {
  const find = credentialsFromFiles({ netrcPath: '/nowhere/netrc' })
  await assert.rejects(
    find('https://a.example/'),
    (error) => error instanceof OperatingError && /\/nowhere\/netrc/.test(error.message),
  )
})
