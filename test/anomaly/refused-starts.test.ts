import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { makeScratchDirectory, type ScratchDirectory } from '#test/clients/scratch-directory.ts'
import { asMereOwner } from './as-mere-owner.ts'
import { startRefused, type StartOptions } from './registry-process.ts'
import { makeSite, siteCommands, type RegistrySite } from './registry-site.ts'

/** One value for each kind of variable, and what the line about it must say is allowed. */
const wrongValues: ReadonlyArray<readonly [variable: string, value: string, allowed: string]> = [
  ['PORT', '80x', 'a port from 0 to 65535'],
  ['PORT', '65536', 'a port from 0 to 65535'],
  ['NIXERY_MAX_BUILDS', '0', 'a number from 1 to 64'],
  ['STORAGE_PATH', 'relative/path', 'an absolute path'],
  ['NIXERY_STORAGE_BACKEND', 'floppy', 'filesystem, gcs or s3'],
  ['NIXERY_DEBIAN_MIRROR', 'ftp://mirror', 'an http or https address'],
  ['NIX_POPULARITY_URL', 'no address', 'an http, https or file address'],
  ['LOG_LEVEL', 'loud', 'debug, info, warn, error or silent'],
]

suite('a start with a wrong value', { skip: skipUnless(['setpriv']) }, () => {
  for (const [variable, value, allowed] of wrongValues) {
    test(`${variable}=${value} is refused with one line`, async () => {
      const line = await refusal({ environment: { [variable]: value } })
      assert.ok(line.includes(`${variable}=${value}`), line)
      assert.ok(line.includes(allowed), line)
    })
  }

  test('NIXERY_ALOW=git is refused rather than ignored', async () => {
    const line = await refusal({ environment: { NIXERY_ALOW: 'git' } })
    assert.match(line, /NIXERY_ALOW .*NIXERY_ALLOW\?/)
  })

  test('GCS_BUCKET=images without its backend is refused rather than ignored', async () => {
    const line = await refusal({ environment: { GCS_BUCKET: 'images' } })
    assert.match(line, /GCS_BUCKET=images .*NIXERY_STORAGE_BACKEND=gcs/)
  })
})

suite('a start without what it needs', { skip: skipUnless(siteCommands, { root: true }) }, () => {
  let site: RegistrySite
  let scratch: ScratchDirectory
  before(async () => {
    site = await makeSite()
    scratch = await makeScratchDirectory()
  })
  after(async () => {
    await site[Symbol.asyncDispose]()
    await scratch[Symbol.asyncDispose]()
  })
  const refusalHere = (environment: Readonly<Record<string, string>>) =>
    refusal({ environment: { ...site.environment, ...environment }, wrapper: asMereOwner })

  test('says which directory has no Nix, and how to get it', async () => {
    const line = await refusalHere({ NIXERY_NIX_BIN: scratch.path })
    assert.match(line, /NIX_MISSING: .*nix-store/)
    assert.ok(line.includes(scratch.path), line)
    assert.match(line, /install nix-bin/)
  })

  test('says which storage directory may not be written', async () => {
    const storage = join(scratch.path, 'locked')
    await mkdir(storage, { mode: 0o500 })
    const line = await refusalHere({ STORAGE_PATH: storage })
    assert.match(line, /must be a directory that this user may write to.*EACCES/)
    assert.ok(line.includes(`STORAGE_PATH=${storage} `), line)
    await chmod(storage, 0o700)
  })

  test('says which storage directory is none', async () => {
    const storage = join(scratch.path, 'file')
    await writeFile(storage, '')
    const line = await refusalHere({ STORAGE_PATH: storage })
    assert.match(line, /must be a directory/)
    assert.ok(line.includes(`STORAGE_PATH=${storage} `), line)
  })

  test('says which state directory may not be written', async () => {
    const state = join(scratch.path, 'locked-state')
    await mkdir(state, { mode: 0o500 })
    const line = await refusalHere({ NIXERY_STATE_DIRECTORY: state })
    assert.match(line, /must be a directory that this user may write to.*EACCES/)
    assert.ok(line.includes(state), line)
    await chmod(state, 0o700)
  })

  // Stands for CIFS and 9p, which a test cannot mount; owned-directory.test.ts has the sockets.
  test(
    'says that the file system has no hard links',
    { skip: skipUnless(['strace']) },
    async () => {
      const storage = join(scratch.path, 'without-links')
      const calls = '?link,?linkat'
      const trace = ['-o', join(scratch.path, 'trace'), '-e', `trace=${calls}`]
      const line = await refusal({
        environment: { ...site.environment, STORAGE_PATH: storage },
        wrapper: ['strace', '-f', '-D', ...trace, '-e', `inject=${calls}:error=EOPNOTSUPP`, '--'],
      })
      assert.match(line, /UNFIT_FILESYSTEM: .*; choose a directory on a local file system/)
      assert.ok(line.includes(`${storage} lies on a file system without hard links`), line)
      assert.deepEqual(await readdir(join(storage, 'staging')), [], 'and leaves nothing')
    },
  )

  test('says which port is taken', async (context) => {
    const other = createServer().listen(0, '127.0.0.1')
    context.after(() => other.close())
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    const line = await refusalHere({ PORT: String(port) })
    assert.ok(line.includes(`PORT=${port}`), line)
    assert.match(line, /in use/)
  })

  test('says which address is not this machine’s', async () => {
    const line = await refusalHere({ NIXERY_HOST: '192.0.2.1' })
    assert.ok(line.includes('NIXERY_HOST=192.0.2.1'), line)
  })
})

/** The one line that a refused start prints. */
async function refusal(options: StartOptions): Promise<string> {
  const { exitCode, stderr } = await startRefused(options)
  assert.equal(exitCode, 1, stderr)
  assert.match(stderr, /^nixery: [^\n]+\n$/)
  return stderr
}
