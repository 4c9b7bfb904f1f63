import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { join } from 'node:path'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { readPageBlocks } from './page-blocks.ts'

const checkout = join(import.meta.dirname, '..', '..')

// What the help says of each shell, and what shows that the shell knows the command then.
const shells = {
  bash: 'source <(nixery completion bash); complete -p nixery',
  zsh: 'autoload -U compinit; nixery completion zsh > $HOME/_nixery; fpath=($HOME $fpath); compinit -u -D; print $_comps[nixery]',
  fish: 'mkdir -p ~/.config/fish/completions; nixery completion fish > ~/.config/fish/completions/nixery.fish; complete -C "nixery comp"',
}

suite('the line of command-line.md that brings nixery into PATH', () => {
  for (const [shell, commands] of Object.entries(shells))
    test(`lets ${shell} complete`, { skip: skipUnless([shell]) }, async () => {
      await using home = await makeScratchDirectory()
      const env = {
        HOME: home.path,
        PATH: `${join(home.path, '.local', 'bin')}:${process.env['PATH']}`,
      }
      const block = readPageBlocks('docs/command-line.md').find(
        ({ mark }) => mark?.value === 'a checkout',
      )
      const script = `cd '${checkout}' && ${block?.text}`
      const linked = await runCommand('sh', ['-c', script], { env })
      assert.equal(linked.stderr, '')
      const { stdout, stderr } = await runCommand(shell, ['-c', commands], { env })
      assert.match(stdout, /_nixery|completion/, stderr)
      assert.equal(stderr, '')
    })
})
