import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { indexViewKey } from '#adapters/package-search/index-format.ts'
import { IndexFiles } from '#adapters/package-search/index-files.ts'
import { IndexWriter } from '#adapters/package-search/index-writer.ts'
import { shells } from '#apps/cli/commands.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { readConfig } from '../../src/config.ts'
import { packageSearchSettings } from '../../src/package-search-settings.ts'
import { nixeryCommand, runNixery } from './run-nixery.ts'

const packages = ['git', 'gitg', 'htop', 'python3packages.numpy', 'g-plus']

suite('names of images', { skip: skipUnless(['setpriv']) }, () => {
  const resources = new AsyncDisposableStack()
  let directory: string
  let environment: NodeJS.ProcessEnv

  before(async () => {
    directory = resources.use(await makeScratchDirectory()).path
    const bin = join(directory, 'bin')
    await mkdir(bin)
    const program = join(bin, 'nixery')
    await writeFile(program, `#!/bin/sh\nexec ${nixeryCommand.join(' ')} "$@"\n`)
    await chmod(program, 0o755)
    environment = {
      PATH: `${bin}:${process.env['PATH']}`,
      HOME: directory,
      NODE_COMPILE_CACHE: join(directory, 'cache'),
      NIXERY_STATE_DIRECTORY: join(directory, 'state'),
    }
    await writeIndex(environment)
  })
  after(() => resources.disposeAsync())

  test('are completed from what is listed, and only from that', async () => {
    const complete = async (typed: string, more: NodeJS.ProcessEnv = {}) => {
      const args = ['search', '--complete', '--', typed]
      const { stdout, stderr, exitCode } = await runNixery(args, { ...environment, ...more })
      assert.deepEqual([stderr, exitCode], ['', 0], typed)
      return stdout.split('\n').slice(0, -1)
    }
    assert.deepEqual(await complete('shell/gi'), ['shell/git', 'shell/gitg'])
    assert.deepEqual(await complete('--help'), [])
    const empty = join(directory, 'empty')
    assert.deepEqual(await complete('gi', { NIXERY_STATE_DIRECTORY: empty }), [])
    // What is wrong with the settings is for commands that do something.
    assert.deepEqual(await complete('gi', { NIXERY_DENY: 'git' }), [])
  })

  for (const shell of shells)
    test(
      `are completed by ${shell} in the middle of a line`,
      { skip: skipUnless([shell, 'script']) },
      async () => {
        const { stdout: script } = await runNixery(['completion', shell])
        const type = (line: string) => typeInto(shell, script, line, { directory, environment })
        assert.deepEqual(await type('nixery build shell/ht'), ['nixery build shell/htop'])
        assert.deepEqual(await type('nixery watch he'), ['nixery watch he'])
        assert.deepEqual(await type('nixery build --quiet sh'), ['nixery build --quiet shell/'])
        assert.deepEqual(await type('nixery build htop/python3packages.'), [
          'nixery build htop/python3packages.numpy',
        ])
        assert.deepEqual(
          await type('nixery build gi'),
          shell === 'fish' ? ['nixery build git', 'nixery build gitg'] : ['nixery build git'],
        )
      },
    )
})

/** As a service of that environment has listed them. */
async function writeIndex(environment: NodeJS.ProcessEnv): Promise<void> {
  const { directory, ...settings } = packageSearchSettings(readConfig(environment))
  const files = await IndexFiles.open(directory)
  const path = await files.newPath()
  {
    using writer = new IndexWriter(path)
    const [platform = ''] = settings.platforms
    writer.add(
      platform,
      packages.map((name) => ({ name, attributePath: name })),
    )
    const origin = { identity: 'set', revision: 'one', listedAtMs: 1 }
    writer.finish({ ...origin, platforms: [platform], isProvisional: false })
  }
  await files.publish(path, files.pathOf(indexViewKey('', settings), 'set'))
  await files.close()
}

interface Place {
  readonly directory: string
  readonly environment: NodeJS.ProcessEnv
}

/** The line that a tab makes of one, in an interactive shell; of fish, every line that it offers. */
async function typeInto(
  shell: (typeof shells)[number],
  script: string,
  line: string,
  { directory, environment }: Place,
): Promise<readonly string[]> {
  if (shell === 'fish') {
    const path = join(directory, 'nixery.fish')
    await writeFile(path, script)
    const { stdout, stderr } = await runCommand(
      'fish',
      ['--no-config', '-c', `source ${path}; complete -C '${line}' | cut -f1`],
      { env: environment },
    )
    assert.equal(stderr, '')
    const words = stdout.split('\n').filter((word) => word !== '')
    const before = line.slice(0, line.lastIndexOf(' ') + 1)
    return words.length === 0 ? [line] : words.map((word) => before + word)
  }
  // A key of their own shows the line as the shell has it, and ends the shell.
  const settings = {
    bash: `${script}\nshow() { printf '<<%s>>' "$READLINE_LINE"; exit; }\nbind -x '"\\C-t": show'\n`,
    zsh: `autoload -U compinit; compinit -u -D\n${script}\nshow() { printf '<<%s>>' "$BUFFER"; exit }\nzle -N show; bindkey '^T' show\n`,
  }[shell]
  const start = { bash: `bash --rcfile ${directory}/.bashrc -i`, zsh: 'zsh -i' }[shell]
  await writeFile(join(directory, `.${shell}rc`), settings)
  const { stdout } = await runCommand(
    'sh',
    ['-c', `printf '%s\\t\\024' "$1" | script -qfec '${start}' /dev/null`, 'sh', line],
    { env: { ...environment, TERM: 'dumb' } },
  )
  const [, shown] = /<<(.*?)>>/s.exec(stdout) ?? []
  assert.ok(shown !== undefined, stdout)
  return [shown.trimEnd()]
}
