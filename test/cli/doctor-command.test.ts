import assert from 'node:assert/strict'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { runNixery } from './run-nixery.ts'

interface Report {
  readonly failures: number
  readonly findings: ReadonlyArray<{
    subject: string
    level: string
    message: string
    mend?: string
  }>
}

async function diagnose(env: NodeJS.ProcessEnv) {
  const { exitCode, stdout, stderr } = await runNixery(['doctor', '--json'], env)
  assert.equal(stderr, '')
  const report = JSON.parse(stdout) as Report
  assert.equal(exitCode, report.failures > 0 ? 1 : 0)
  for (const { level, mend, message } of report.findings)
    if (level !== 'ok') assert.ok(mend !== undefined || message.includes('; '), message)
  return {
    of: (subject: string) => report.findings.filter((each) => each.subject === subject),
  }
}

async function listen(listener: RequestListener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: async () => void server.close() }
}

suite('nixery doctor', { skip: skipUnless(['nix-store', 'setpriv']) }, () => {
  test('finds what is well, and changes nothing', async () => {
    await using scratch = await makeScratchDirectory()
    const state = join(scratch.path, 'state')
    await mkdir(state)
    const set = join(scratch.path, 'set')
    await mkdir(set)
    await writeFile(join(set, 'default.nix'), '{ }')
    const found = await diagnose({
      PORT: String(await findFreePort()),
      NIXERY_STATE_DIRECTORY: state,
      NIXERY_PKGS_PATH: set,
    })
    for (const subject of ['state', 'storage', 'port', 'packages'])
      assert.deepEqual(
        found.of(subject).map(({ level }) => level),
        ['ok'],
        JSON.stringify(found.of(subject)),
      )
    assert.match(found.of('Nix')[0]?.message ?? '', /^Nix \d+\.\d+/)
    assert.match(found.of('sandbox')[0]?.message ?? '', /shut in|sandbox/)
    const left = (await readdir(state, { recursive: true, withFileTypes: true })).filter((each) =>
      each.isFile(),
    )
    assert.deepEqual(left, [])
  })

  test('finds what is not well', async () => {
    await using scratch = await makeScratchDirectory()
    await using other = await listen((_, response) => response.end('hello'))
    const { port } = other
    const found = await diagnose({
      PORT: String(port),
      NIXERY_HOST: '127.0.0.1',
      // A file where a directory should be.
      NIXERY_STATE_DIRECTORY: '/etc/hostname/nixery',
      STORAGE_PATH: join(scratch.path, 'storage'),
      NIXERY_PKGS_REPO: 'http://127.0.0.1:9/nothing.git',
      NIXERY_SUBSTITUTERS: 'http://127.0.0.1:9',
      NIXERY_NIX_BIN: scratch.path,
      NIXERY_REFRESH_HOURS: '5',
    })
    assert.match(found.of('port')[0]?.message ?? '', /taken by something that is no registry/)
    for (const subject of ['port', 'state', 'Nix', 'packages'])
      assert.ok(
        found.of(subject).some(({ level }) => level === 'fail'),
        JSON.stringify(found.of(subject)),
      )
    assert.match(found.of('Nix')[0]?.message ?? '', /^NIX_MISSING: there is no nix-store/)
    assert.match(found.of('Nix')[0]?.mend ?? '', /^install nix-bin/)
    assert.ok(
      found.of('settings').some(({ message }) => message.startsWith('NIXERY_REFRESH_HOURS')),
    )
  })

  test('asks a source before there is a state directory, and makes none', async () => {
    await using scratch = await makeScratchDirectory()
    const found = await diagnose({
      NIXERY_STATE_DIRECTORY: join(scratch.path, 'state'),
      NIXERY_PKGS_REPO: `http://127.0.0.1:${await findFreePort()}/nothing.git`,
    })
    const [source] = found.of('packages')
    assert.equal(source?.level, 'fail')
    assert.match(source?.message ?? '', /nothing\.git cannot be read: /)
    assert.deepEqual(await readdir(scratch.path), [])
  })

  test('finds a clock that is not that of others', async () => {
    await using server = await listen((_, response) => {
      response.setHeader('date', new Date(Date.now() - 3 * 3_600_000).toUTCString())
      response.end()
    })
    const found = await diagnose({ NIXERY_SUBSTITUTERS: `http://127.0.0.1:${server.port}` })
    assert.deepEqual(
      found.of('clock').map(({ level, message }) => [level, message]),
      [['fail', `the clock differs by 3h from that of 127.0.0.1:${server.port}`]],
    )
  })

  test('names the packages that the machine lacks', async () => {
    await using scratch = await makeScratchDirectory()
    // The test itself starts the program with it.
    await symlink('/usr/bin/setpriv', join(scratch.path, 'setpriv'))
    const found = await diagnose({ PATH: scratch.path })
    const [tools] = found.of('tools')
    assert.equal(tools?.level, 'fail')
    assert.match(tools?.message ?? '', /^nix-instantiate, nix-store, .* missing$/)
    assert.match(tools?.mend ?? '', /Debian bring: nix-bin /)
  })

  test('finds a setting that nobody knows', async () => {
    const { exitCode, stdout } = await runNixery(['doctor'], { NIXERY_PORT: '1' })
    assert.equal(exitCode, 1)
    assert.match(stdout, /^fail {2}settings: NIXERY_PORT is no setting: did you mean PORT\?$/m)
  })
})
