import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { drawTerminal } from './draw-terminal.ts'
import { parseCommands, readPageBlocks } from './page-blocks.ts'

const pictures = join(import.meta.dirname, '..', '..', 'docs', 'pictures')

test('drawTerminal() escapes text, wraps lines and leaves out the middle of long outputs', () => {
  const printed = Array.from({ length: 20 }, (_, index) => `line ${index}`).join('\n')
  const picture = drawTerminal([{ command: 'a <b>', printed: `${'x'.repeat(100)}\n${printed}` }])
  assert.match(picture, />\$ a &lt;b&gt;</)
  assert.match(picture, />x{88}<[^]*>x{12}</)
  assert.match(picture, />line 19</)
  assert.doesNotMatch(picture, />line 9</)
})

test('docs/pictures/terminal.svg shows what README.md types', () => {
  const picture = readFileSync(join(pictures, 'terminal.svg'), 'utf8')
  const typed = readPageBlocks('README.md')
    .filter(({ language, mark }) => language === 'console' && mark?.word !== 'needs')
    .flatMap(({ text }) => parseCommands(text).map(({ command }) => command))
    .filter((command) => command !== 'npm start')
  for (const command of typed) {
    assert.ok(
      picture.includes(`>$ ${command}<`),
      `${command} is not in it: run the tests of test/docs with WRITE_PICTURES=1`,
    )
  }
})

test('README.md shows pictures that are there', () => {
  const page = readFileSync(join(pictures, '..', '..', 'README.md'), 'utf8')
  const shown = [...page.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, path = '']) => path)
  assert.ok(shown.includes('docs/pictures/terminal.svg'))
  for (const path of shown) assert.ok(existsSync(join(pictures, '..', '..', path)), path)
})
