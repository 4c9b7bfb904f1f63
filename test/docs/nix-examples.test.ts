import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { readPageBlocks } from './page-blocks.ts'

const nix = { run: (args: readonly string[]) => runCommand('nix-instantiate', args) }
const examples = readPageBlocks('docs/nix-language.md').filter(({ language }) => language === 'nix')

test('docs/nix-language.md has examples', () => assert.ok(examples.length > 15))

for (const { page, line, text } of examples) {
  test(
    `${page}:${line} is evaluated as it says`,
    { skip: skipUnless(['nix-instantiate']) },
    async () => {
      const [, expression = '', value] = /^([^]*)^# (.*)\n$/m.exec(text) ?? []
      assert.ok(value, 'its last line is a comment with the value')
      const printed = await outputOf(nix, ['--eval', '--strict', '--expr', expression])
      assert.equal(printed.trim(), value)
    },
  )
}
