import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { skipUnless } from '#test/clients/availability.ts'
import { ownDirectory, sweepDeadOwners } from './owned-directory.ts'

async function temporaryDirectory(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'nixery-owned-'))
  context.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Another process that owns a directory below `parent`; ends when it is killed. */
async function startOwner(parent: string) {
  const module = join(import.meta.dirname, 'owned-directory.ts')
  const script = `const { ownDirectory } = await import(${JSON.stringify(module)})
    process.stdout.write((await ownDirectory(${JSON.stringify(parent)})).path)
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const died = once(child, 'exit').then(() => assert.fail('the owner died at its start'))
  const [path] = (await Promise.race([once(child.stdout, 'data'), died])) as [Buffer]
  return { child, path: path.toString() }
}

test('sweepDeadOwners() leaves what a live process owns, and takes what a killed one left', async (context) => {
  const parent = await temporaryDirectory(context)
  const { child, path } = await startOwner(parent)
  await writeFile(join(path, '1'), 'half an upload')
  assert.deepEqual(await sweepDeadOwners(parent, Date.now()), [])

  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.deepEqual(await sweepDeadOwners(parent, Date.now()), [path])
  assert.deepEqual(await readdir(parent), [])
})

test('sweepDeadOwners() leaves what this process owns', async (context) => {
  const parent = await temporaryDirectory(context)
  const owned = await ownDirectory(parent)
  assert.deepEqual(await sweepDeadOwners(parent, Date.now()), [])
  await owned.release()
  assert.deepEqual(await readdir(parent), [])
})

test('sweepDeadOwners() takes what another machine left only when it has been still for a day', async (context) => {
  const parent = await temporaryDirectory(context)
  const path = join(parent, 'elsewhere')
  await mkdir(path)
  await writeFile(join(path, '.boot'), 'another kernel')
  assert.deepEqual(await sweepDeadOwners(parent, Date.now()), [])
  const yesterday = new Date(Date.now() - 25 * 3_600_000)
  await utimes(join(path, '.boot'), yesterday, yesterday)
  await utimes(path, yesterday, yesterday)
  assert.deepEqual(await sweepDeadOwners(parent, Date.now()), [path])
})

const straced = { skip: skipUnless(['strace']) }

test('ownDirectory() says so when the file system has no sockets', straced, async (context) => {
  const parent = await temporaryDirectory(context)
  const module = join(import.meta.dirname, 'owned-directory.ts')
  const script = `const { ownDirectory } = await import(${JSON.stringify(module)})
    await ownDirectory(${JSON.stringify(parent)}).catch((error) => {
      console.log(error.code, error.message)
    })`
  // Stands for CIFS and 9p, which a test cannot mount.
  const strace = ['-f', '-o', '/dev/null', '-e', 'trace=bind', '-e', 'inject=bind:error=EPERM']
  const node = [process.execPath, '--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)('strace', [...strace, '--', ...node])
  assert.equal(stdout, `UNFIT_FILESYSTEM ${parent} lies on a file system without Unix sockets\n`)
  assert.deepEqual(await readdir(parent), [], 'and leaves nothing')
})

test('ownDirectory() shows other machines that its idle owner lives', async (context) => {
  const parent = await temporaryDirectory(context)
  context.mock.timers.enable({ apis: ['setInterval'] })
  const owned = await ownDirectory(parent)
  const sign = join(owned.path, '.boot')
  const yesterday = new Date(Date.now() - 25 * 3_600_000)
  await utimes(sign, yesterday, yesterday)
  const watcher = watch(owned.path)
  context.after(() => watcher.close())
  const changed = once(watcher, 'change', { signal: AbortSignal.timeout(10_000) })
  context.mock.timers.tick(3_600_000)
  await changed
  assert.ok(Date.now() - (await stat(sign)).mtimeMs < 3_600_000)
  await owned.release()
})

test('ownDirectory() works below a path that is longer than a socket address', async (context) => {
  const parent = join(await temporaryDirectory(context), 'a'.repeat(120), 'b'.repeat(120))
  const owned = await ownDirectory(parent)
  assert.deepEqual(await sweepDeadOwners(parent, Date.now()), [])
  await owned.release()
})
