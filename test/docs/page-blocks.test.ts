import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShownOutput, parseBlocks, parseCommands } from './page-blocks.ts'

test('parseBlocks() reads languages, lines and marks', () => {
  const page = [
    '# Page',
    '',
    '<!-- needs: a bucket -->',
    '```console',
    '$ first',
    '```',
    'text',
    '```nix',
    '{ }',
    '```',
  ].join('\n')
  assert.deepEqual(parseBlocks('page.md', page), [
    {
      page: 'page.md',
      line: 4,
      language: 'console',
      text: '$ first\n',
      mark: { word: 'needs', value: 'a bucket' },
    },
    { page: 'page.md', line: 8, language: 'nix', text: '{ }\n' },
  ])
})

test('parseCommands() reads commands over several lines and their output', () => {
  assert.deepEqual(parseCommands('$ one \\\n    --option\n1\n2\n$ two\n'), [
    { command: 'one \\\n    --option', output: '1\n2\n' },
    { command: 'two', output: '' },
  ])
})

const outputs = [
  { shown: 'a\nb\n', printed: 'a  \nb', expected: true },
  { shown: 'a … c\n', printed: 'a b\nb c\n', expected: true },
  { shown: '…\nlast (1)\n', printed: 'first\nlast (1)\n', expected: true },
  { shown: 'a\n', printed: 'a\nb\n', expected: false },
  { shown: 'a.c\n', printed: 'abc\n', expected: false },
]
for (const { shown, printed, expected } of outputs) {
  test(`isShownOutput() is ${expected} for ${JSON.stringify(printed)}`, () => {
    assert.equal(isShownOutput(shown, printed), expected)
  })
}
