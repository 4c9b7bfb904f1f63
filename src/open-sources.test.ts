import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pino, type Logger } from 'pino'
import { findProgram } from '#adapters/process/find-program.ts'
import { makeGitRepository } from '#test/sources/git-repository.ts'
import { ConfigError, readConfig } from './config.ts'
import { openSources } from './open-sources.ts'

const PATH = process.env['PATH'] ?? ''
const skip = (await findProgram('nix-store', PATH)) === undefined && 'there is no nix-store'

async function open(
  context: TestContext,
  environment: Record<string, string>,
  file?: string,
  logger: Logger = pino({ level: 'silent' }),
) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-sources-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 'sources.yaml')
  if (file !== undefined) await writeFile(path, file)
  const config = readConfig({
    PATH,
    NIXERY_STATE_DIRECTORY: directory,
    ...(file === undefined ? {} : { NIXERY_SOURCES: path }),
    ...environment,
  })
  const opened = await openSources(config, logger, AbortSignal.timeout(30_000))
  context.after(() => opened[Symbol.asyncDispose]())
  return opened
}

test('openSources() gives the usual source a second name', { skip }, async (context) => {
  const file = 'sources: { a: { git: /a.git }, b: { channel: nixos-unstable } }'
  const { sources } = await open(context, {}, file)
  assert.deepEqual([...sources.keys()].sort(), ['', 'a', 'b'])
  assert.equal(sources.get(''), sources.get('a'))
})

test(
  'OpenedSources.lookUpLatest() tells at the start what a pull would find',
  { skip },
  async (context) => {
    const directory = await mkdtemp(join(tmpdir(), 'nixery-origin-'))
    context.after(() => rm(directory, { recursive: true, force: true }))
    const repository = await makeGitRepository(join(directory, 'set.git'))
    const messages = async (url: string) => {
      const lines: string[] = []
      const logger = pino({ base: null }, { write: (line) => lines.push(line) })
      const opened = await open(context, { NIXERY_PKGS_REPO: url }, undefined, logger)
      assert.deepEqual(opened.descriptions, [`NIXERY_PKGS_REPO=${url}`])
      await opened.lookUpLatest()
      return lines.map((line) => JSON.parse(line).msg as string)
    }
    const [lost, ...others] = await messages('/not/there.git')
    assert.match(lost ?? '', /^NIXERY_PKGS_REPO=\/not\/there\.git cannot be reached: /)
    assert.deepEqual(others, [])
    assert.match((await messages(repository.path)).join(), /^no image can be pulled as latest: /)
    await repository.commit('main', { 'default.nix': '1' })
    assert.deepEqual(await messages(repository.path), [
      'reference looked up',
      'package source found',
    ])
  },
)

/** Any file that there surely is. */
const readable = import.meta.filename

test('openSources() refuses what would be a surprise', { skip }, async (context) => {
  const wrong: ReadonlyArray<
    readonly [message: RegExp, environment: Record<string, string>, file?: string]
  > = [
    [/cannot be called shell/, {}, 'sources: { shell: { git: /a.git } }'],
    [/NIXERY_SOURCES=.*sources\.ours/, {}, 'sources: { ours: { gut: /a.git } }'],
    [/NIXERY_SOURCES=\/not\/there/, { NIXERY_SOURCES: '/not/there' }],
    [/NIXERY_NETRC=\/not\/there cannot be read/, { NIXERY_NETRC: '/not/there' }],
    [/sources\.1: .*with a letter in it/, {}, 'sources: { 1: { git: /a.git } }'],
    [/NIXERY_PKGS_PATH=\/not\/there/, { NIXERY_PKGS_PATH: '/not/there' }],
    [
      /would be sent to a\.example\.org and b\.example\.org: use NIXERY_NETRC/,
      { NIXERY_GIT_TOKEN_FILE: readable },
      'sources: { a: { git: "https://a.example.org/a" }, b: { git: "https://b.example.org/b" } }',
    ],
    [
      /is for nobody/,
      { NIXERY_GIT_TOKEN_FILE: readable, NIXERY_PKGS_REPO: 'git@a.example.org:a.git' },
    ],
    // A token for somebody's own server is not for the default of another setting.
    [/is for nobody/, { NIXERY_GIT_TOKEN_FILE: readable, NIXERY_CHANNEL: 'nixos-unstable' }],
  ]
  for (const [message, environment, file] of wrong) {
    await assert.rejects(
      open(context, environment, file),
      (error) => error instanceof ConfigError && message.test(error.message),
      String(message),
    )
  }
})
