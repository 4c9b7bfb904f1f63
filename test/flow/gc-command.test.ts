import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { makePulledStorage, type PulledStorage } from '#test/anomaly/pulled-storage.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const node = join(projectRoot, 'node_modules', '.bin', 'node')
const dayMs = 24 * 60 * 60 * 1000

suite('nixery gc', { skip: skipUnless(['setpriv']) }, () => {
  let pulled: PulledStorage

  before(async () => {
    pulled = await makePulledStorage()
  })
  after(() => pulled[Symbol.asyncDispose]())

  test('says what would go, removes it, and the next pull makes it again', async () => {
    const directory = join(pulled.scratch, 'old')
    await cp(pulled.directory, directory, { recursive: true })
    await makeOld(directory, 40 * dayMs)
    const before = await filesIn(directory, 'layers', 'builds', 'manifests')

    const planned = await gc(directory, '--unused', '30d', '--dry-run')
    assert.equal(planned.exitCode, 0, planned.stderr)
    assert.match(
      planned.stdout,
      /^ {2}program \(linux\/amd64\) of \S+ {2}used 40d ago {2}[\d.]+ \w+$/m,
    )
    assert.match(planned.stdout, /^would remove 1 image, /m)
    assert.deepEqual(await filesIn(directory, 'layers', 'builds', 'manifests'), before)

    const removed = await gc(directory, '--unused', '30d')
    assert.equal(removed.exitCode, 0, removed.stderr)
    assert.match(removed.stdout, /^removed 1 image, .* freed\n/)
    assert.ok(removed.stdout.includes(`left in ${directory}: 0 images and 0 blobs, 0 bytes\n`))
    assert.deepEqual(await filesIn(directory, 'layers', 'builds', 'manifests', 'notices'), [])
    const again = await gc(directory, '--unused', '30d')
    assert.deepEqual([again.exitCode, again.stdout], [0, `${directory} is empty\n`])
    assert.equal(await pulled.pullFrom(directory), pulled.digest)
  })

  test('leaves alone what was just used, and says so', async () => {
    const before = await filesIn(pulled.directory, 'layers', 'builds', 'manifests')
    const { exitCode, stdout } = await gc(pulled.directory, '--max-size', '1KiB')
    assert.equal(exitCode, 0)
    assert.match(stdout, /^removed 0 images, .*\n[^]*^kept for now, .*: 1 image and /m)
    assert.deepEqual(await filesIn(pulled.directory, 'layers', 'builds', 'manifests'), before)
  })

  test('takes its limits from the configuration, and says what could be set', async () => {
    const directory = join(pulled.scratch, 'configured')
    await cp(pulled.directory, directory, { recursive: true })
    await makeOld(directory, 2 * dayMs)
    const unset = await gc(directory)
    assert.equal(unset.exitCode, 0)
    assert.match(unset.stderr, /^no limit is set, .*--unused.*NIXERY_GC_UNUSED_DAYS/m)
    assert.match(unset.stdout, /^removed 0 images, /)
    const set = await runGc(directory, { NIXERY_GC_UNUSED_DAYS: '1' })
    assert.doesNotMatch(set.stderr, /no limit/)
    assert.match(set.stdout, /^removed 1 image, /)
  })

  test('gives way to another collector', async () => {
    const directory = join(pulled.scratch, 'busy')
    await cp(pulled.directory, directory, { recursive: true })
    const notice = { digests: [], untilMs: Date.now() + dayMs }
    await writeFile(join(directory, 'notices', 'gc-other'), JSON.stringify(notice))
    const { exitCode, stdout } = await gc(directory, '--max-size', '1KiB')
    assert.equal(exitCode, 1)
    assert.match(stdout, /^nothing was removed from \S+: the collector gc-other is at work/)
  })

  test('says in one line what is wrong', async () => {
    const help = await gc(pulled.directory, '--help')
    assert.deepEqual([help.exitCode, help.stderr], [0, ''])
    assert.match(help.stdout, /^usage: nixery gc/)
    const wrong = await gc(pulled.directory, '--grace', '1s')
    assert.equal(wrong.exitCode, 2)
    assert.match(wrong.stderr, /^nixery: --grace 1s must be at least 30m, .*\n\nusage: /)
    const unknown = await runCommand(node, [join(projectRoot, 'src/main.ts'), 'gcc'])
    assert.equal(unknown.exitCode, 2)
    assert.match(
      unknown.stderr,
      /^nixery: there is no command gcc; did you mean gc\?\n\nusage: nixery COMMAND /,
    )
    const absent = join(pulled.scratch, 'absent')
    const refused = await gc(absent, '--max-size', '1KiB')
    assert.equal(refused.exitCode, 1)
    assert.equal(
      refused.stderr,
      `nixery: STORAGE_PATH=${absent} is no storage: there is no such directory\n`,
    )
    assert.equal(existsSync(absent), false)
  })

  test(
    'looks after the Nix store as well',
    { skip: skipUnless(['nix-store'], { root: true }) },
    async () => {
      const home = join(pulled.scratch, 'home')
      await mkdir(home)
      const environment = { HOME: home, NIX_REMOTE: `local?root=${join(pulled.scratch, 'nix')}` }
      const file = join(pulled.scratch, 'packed')
      await writeFile(file, 'x'.repeat(100_000))
      const added = await runCommand('nix-store', ['--add', file], { env: environment })
      assert.equal(added.exitCode, 0, added.stderr)
      const planned = await runGc(pulled.directory, environment, '--nix-store', '1KiB', '--dry-run')
      assert.match(planned.stdout, /^Nix store: 97\.8 KiB, of which nothing holds 97\.8 KiB; /m)
      const removed = await runGc(pulled.directory, environment, '--nix-store', '1KiB')
      assert.match(removed.stdout, /^Nix store: 97\.8 KiB, removed 1 store path of 97\.8 KiB$/m)
    },
  )

  function gc(directory: string, ...args: readonly string[]) {
    return runGc(directory, {}, ...args)
  }

  function runGc(
    directory: string,
    environment: Readonly<Record<string, string>>,
    ...args: readonly string[]
  ) {
    return runCommand(node, [join(projectRoot, 'src/main.ts'), 'gc', ...args], {
      env: {
        STORAGE_PATH: directory,
        NIXERY_STATE_DIRECTORY: join(pulled.scratch, 'state'),
        ...environment,
      },
    })
  }
})

async function filesIn(
  directory: string,
  ...folders: readonly string[]
): Promise<readonly string[]> {
  const listed = await Promise.all(folders.map((folder) => readdir(join(directory, folder))))
  return listed.flatMap((names, index) => names.map((name) => `${folders[index]}/${name}`)).sort()
}

/** As if everything had been built, and used last, so long ago. */
async function makeOld(directory: string, ageMs: number): Promise<void> {
  const then = new Date(Date.now() - ageMs)
  for (const file of await filesIn(directory, 'layers', 'builds', 'manifests', 'uses'))
    await utimes(join(directory, file), then, then)
}
