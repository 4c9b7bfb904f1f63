import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createMetrics } from '#adapters/metrics/metrics.ts'
import { findProgram } from '#adapters/process/find-program.ts'
import { pino } from 'pino'
import { compose } from './compose.ts'
import { ConfigError, readConfig } from './config.ts'

const watchers = () => ({ logger: pino({ level: 'silent' }), metrics: createMetrics() })

const PATH = process.env['PATH'] ?? ''
const nix = await findProgram('nix-store', PATH)

test(
  'compose() refuses a package set that is not there, naming variable and value',
  {
    skip: !nix,
  },
  async (context) => {
    const directory = await mkdtemp(join(tmpdir(), 'nixery-compose-'))
    context.after(() => rm(directory, { recursive: true, force: true }))
    // A directory without default.nix is no package set either.
    for (const path of ['/nowhere/set', import.meta.dirname]) {
      await assert.rejects(
        compose(
          readConfig({ PATH, NIXERY_STATE_DIRECTORY: directory, NIXERY_PKGS_PATH: path }),
          watchers(),
          new AbortController().signal,
        ),
        (error) =>
          error instanceof ConfigError && error.message.startsWith(`NIXERY_PKGS_PATH=${path} `),
      )
    }
  },
)

test('compose() leaves nothing behind when a later step fails', { skip: !nix }, async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-compose-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  // Here, before the network, the making of the package index fails.
  await mkdir(join(directory, 'package-sets'))
  await writeFile(join(directory, 'package-sets/debian'), '')
  const config = readConfig({ PATH, NIXERY_STATE_DIRECTORY: directory })
  await assert.rejects(
    compose(config, watchers(), new AbortController().signal),
    /package-sets\/debian/,
  )
  for (const owned of ['leases', 'served', 'storage/staging']) {
    assert.deepEqual(await readdir(join(directory, owned)), [], owned)
  }
})

test('compose() refuses stored specs that give no image', { skip: !nix }, async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-compose-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const set = join(directory, 'set.nix')
  await writeFile(set, '{ }')
  const images = join(directory, 'images')
  const refusal = async () => {
    const settings = { NIXERY_STATE_DIRECTORY: directory, NIXERY_PKGS_PATH: set }
    const config = readConfig({ PATH, ...settings, NIXERY_IMAGES_DIR: images })
    const composing = compose(config, watchers(), new AbortController().signal)
    const error: unknown = await composing.then(
      () => assert.fail('it started'),
      (cause) => cause,
    )
    assert.ok(error instanceof ConfigError, String(error))
    return error.message.replace(`NIXERY_IMAGES_DIR=${images}`, '')
  }
  assert.equal(await refusal(), ' cannot be read: it must be a directory')
  const specs: ReadonlyArray<readonly [file: string, text: string, message: RegExp]> = [
    ['a.yaml', 'packages: [amd64]', /^: the spec a names a platform but no package/],
    ['a.yaml', 'packages: [jq]\nsource: ours', /^: the spec a .* not configured: ours$/],
    [
      'a.yaml',
      'packages: [jq]\ntag: nope',
      /^: the spec a wants the tag nope, and its package source has latest only/,
    ],
    ['A.yaml', 'packages: [jq]', /^: the spec A has a name that no registry client can ask for$/],
    [
      'shell/a.yaml',
      'packages: [jq]',
      /^: the spec shell\/a is called like the meta-package shell/,
    ],
  ]
  for (const [file, text, message] of specs) {
    await mkdir(dirname(join(images, file)), { recursive: true })
    await writeFile(join(images, file), text)
    assert.match(await refusal(), message)
    await rm(images, { recursive: true })
  }
})
