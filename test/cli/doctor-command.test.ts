import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { findFreePort } from '#test/clients/nixery-server.ts'
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
    const left = (await readdir(state, { recursive: true, withFileTypes: true })).filter((each) =>
      each.isFile(),
    )
    assert.deepEqual(left, [])
  })

  test('finds what is not well', async () => {
    await using scratch = await makeScratchDirectory()
    const other = createServer((_, response) => response.end('hello'))
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    await using _closing = { [Symbol.asyncDispose]: async () => void other.close() }
    const { port } = other.address() as AddressInfo
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
    assert.match(found.of('Nix')[0]?.message ?? '', /^NIX_MISSING: .*install nix-bin/)
    assert.ok(
      found.of('settings').some(({ message }) => message.startsWith('NIXERY_REFRESH_HOURS')),
    )
  })

  test('finds a setting that nobody knows', async () => {
    const { exitCode, stdout } = await runNixery(['doctor'], { NIXERY_PORT: '1' })
    assert.equal(exitCode, 1)
    assert.match(stdout, /^fail {2}settings: NIXERY_PORT=1 is no setting: did you mean PORT\?$/m)
  })
})
