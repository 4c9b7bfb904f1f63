import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { VerifyReport } from '#engine/upkeep/storage-findings.ts'
import { pullImage } from '#test/anomaly/pull-image.ts'
import { makePulledStorage, pulledImage, type PulledStorage } from '#test/anomaly/pulled-storage.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const node = join(projectRoot, 'node_modules', '.bin', 'node')

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: ReadonlyArray<{ readonly digest: string }>
}

/** The files of one stored image. */
interface StoredFiles {
  readonly manifest: string
  readonly layer: string
  readonly entry: string
}

interface Damage {
  readonly name: string
  readonly finds: string
  readonly harm: (files: StoredFiles) => Promise<void>
}

const damages: readonly Damage[] = [
  {
    name: 'a truncated blob',
    finds: 'truncated-blob',
    harm: async ({ layer }) => truncate(layer, 10),
  },
  {
    name: 'a flipped byte',
    finds: 'corrupt-blob',
    async harm({ layer }) {
      const bytes = await readFile(layer)
      bytes[bytes.length >> 1]! ^= 1
      await writeFile(layer, bytes)
    },
  },
  { name: 'a missing blob', finds: 'missing-blob', harm: ({ layer }) => rm(layer) },
  {
    name: 'a manifest whose entry and layer are gone',
    finds: 'dangling-manifest',
    async harm({ entry, layer }) {
      await rm(entry)
      await rm(layer)
    },
  },
]

suite('nixery verify', { skip: skipUnless(['setpriv']) }, () => {
  let pulled: PulledStorage

  before(async () => {
    pulled = await makePulledStorage()
  })
  after(() => pulled[Symbol.asyncDispose]())

  test('finds nothing wrong with what was just built', async () => {
    const { exitCode, stdout } = await verify(pulled.directory)
    assert.equal(exitCode, 0, stdout)
    assert.ok(stdout.startsWith(`${pulled.directory} is sound: `), stdout)
  })

  for (const { name, finds, harm } of damages)
    test(`finds ${name}, mends it when told to, and the next pull makes it again`, async () => {
      const directory = join(pulled.scratch, finds)
      await cp(pulled.directory, directory, { recursive: true })
      await harm(await findFiles(directory))
      const damaged = await namesIn(directory)

      const found = await verify(directory, '--json')
      assert.equal(found.exitCode, 1, found.stderr)
      const report = JSON.parse(found.stdout) as VerifyReport
      assert.ok(
        report.findings.some(({ kind }) => kind === finds),
        found.stdout,
      )
      assert.deepEqual(await namesIn(directory), damaged, 'nothing is changed')

      const mended = await verify(directory, '--repair')
      assert.equal(mended.exitCode, 1, mended.stderr)
      assert.match(
        mended.stdout,
        /^(?:(?:truncated|corrupt|missing|dangling) .+\n)+\d+ findings? in /,
      )
      const again = await verify(directory)
      assert.equal(again.exitCode, 0, again.stdout)
      assert.equal(await pulled.pullFrom(directory), pulled.digest)
    })

  test('may run while images are pulled', async () => {
    await using registry = await pulled.serve(pulled.directory)
    const verifying = verify(pulled.directory, '--repair')
    const pull = () => pullImage(registry.url, pulledImage)
    while ((await Promise.race([verifying, pull()])) === pulled.digest);
    const { exitCode, stdout } = await verifying
    assert.equal(exitCode, 0, stdout)
  })

  test('makes what a storage of an older version lacks, and finds nothing wrong with it', async () => {
    const directory = join(pulled.scratch, 'older')
    await cp(pulled.directory, directory, { recursive: true })
    const newer = ['uses', 'notices', 'quarantine']
    for (const folder of newer) await rm(join(directory, folder), { recursive: true })
    const { exitCode, stdout, stderr } = await verify(directory, '--repair')
    assert.equal(exitCode, 0, stdout + stderr)
    assert.ok(stdout.startsWith(`${directory} is sound: `), stdout)
    const folders = await readdir(directory)
    assert.deepEqual(
      newer.filter((name) => !folders.includes(name)),
      [],
    )
    assert.equal(await pulled.pullFrom(directory), pulled.digest)
  })

  test('takes nothing for a storage that is none, and leaves it as it is', async () => {
    const absent = join(pulled.scratch, 'absent')
    assert.deepEqual(await verify(absent), {
      exitCode: 1,
      stdout: '',
      stderr: `nixery: STORAGE_PATH=${absent} is no storage: there is no such directory\n`,
    })
    assert.equal(existsSync(absent), false)
    const empty = join(pulled.scratch, 'empty')
    await mkdir(empty)
    const { exitCode, stderr } = await verify(empty)
    assert.equal(exitCode, 1)
    assert.match(stderr, /^nixery: STORAGE_PATH=\S+ is no storage: the service has made none .*\n$/)
    assert.deepEqual(await readdir(empty), [])
  })

  test('says in one line what is wrong', async () => {
    const help = await verify(pulled.directory, '--help')
    assert.deepEqual([help.exitCode, help.stderr], [0, ''])
    assert.match(help.stdout, /^usage: nixery verify/)
    const wrong = await verify(pulled.directory, '--mend')
    assert.equal(wrong.exitCode, 2)
    assert.match(wrong.stderr, /^nixery: .*--mend.*\n\nusage: /)
    const file = join(pulled.scratch, 'file')
    await writeFile(file, '')
    const unusable = await verify(file)
    assert.equal(unusable.exitCode, 1)
    assert.match(unusable.stderr, /^nixery: .*STORAGE_PATH=.*\n$/)
  })

  function verify(directory: string, ...args: readonly string[]) {
    return runCommand(node, [join(projectRoot, 'src/main.ts'), 'verify', ...args], {
      env: { STORAGE_PATH: directory, NIXERY_STATE_DIRECTORY: join(pulled.scratch, 'state') },
    })
  }

  async function findFiles(directory: string): Promise<StoredFiles> {
    const pathOf = (digest: string) => join(directory, 'layers', digest.slice('sha256:'.length))
    const manifest = pathOf(pulled.digest)
    const { layers } = JSON.parse(await readFile(manifest, 'utf8')) as Manifest
    const [entry = ''] = await readdir(join(directory, 'manifests'))
    return {
      manifest,
      layer: pathOf(layers[0]!.digest),
      entry: join(directory, 'manifests', entry),
    }
  }
})

async function namesIn(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory, { recursive: true })
  return names.filter((name) => !name.startsWith('staging')).toSorted()
}
