import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findProgram } from '#adapters/process/find-program.ts'
import { pino } from 'pino'
import { compose } from './compose.ts'
import { ConfigError, readConfig } from './config.ts'

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
          pino({ level: 'silent' }),
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
    compose(config, pino({ level: 'silent' }), new AbortController().signal),
    /package-sets\/debian/,
  )
  for (const owned of ['leases', 'served', 'storage/staging']) {
    assert.deepEqual(await readdir(join(directory, owned)), [], owned)
  }
})
