import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import {
  classifyEvaluationError,
  formatOneLine,
  parseEvaluationError,
  parseNixDemand,
} from './evaluation-message.ts'

const outputs: readonly (readonly [string, string, string])[] = [
  [
    'the error first and the trace below, as Nix 2.8 prints it',
    `warning: something\n\u001B[31;1merror:\u001B[0m attribute 'x' missing

       at /set/default.nix:3:5:

            2| {
            3|   a = b.x;
             |     ^
            4| }
(use '--show-trace' to show detailed location information)
`,
    "attribute 'x' missing",
  ],
  [
    'the trace first and the error below, as later versions print it',
    `error:
       … while calling the 'map' builtin
         at /set/evaluate.nix:3:5:
            2| {
       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error: attribute 'x' missing
       at /set/default.nix:3:5:
            2| {
`,
    "attribute 'x' missing",
  ],
  [
    'the first paragraph of a message of many lines',
    `error: Package ‘a-1.0’ in /set/a.nix:1 has an unfree license (‘unfree’), refusing to evaluate.

       a) To temporarily allow unfree packages, you can use an environment variable
`,
    'Package ‘a-1.0’ in /set/a.nix:1 has an unfree license (‘unfree’), refusing to evaluate.',
  ],
  [
    'a message that begins with an empty line',
    'error: \n\n         This version of Nixpkgs requires Nix >= 2.18, please upgrade:\n\n  - more\n',
    'This version of Nixpkgs requires Nix >= 2.18, please upgrade:',
  ],
  [
    'the text of an abort',
    "error: evaluation aborted with the following error message: '\n\n  This set is old:\n\n  - x\n'",
    'This set is old:',
  ],
  [
    'the text of an abort of one line',
    "error: evaluation aborted with the following error message: 'the end'\n\n       at /x:1:1:\n",
    'the end',
  ],
  ['the last line when there is no error', 'some\nlast words\n\n', 'last words'],
  ['nothing of nothing', '', ''],
]

for (const [what, stderr, message] of outputs) {
  test(`parseEvaluationError() gives ${what}`, () => {
    assert.equal(parseEvaluationError(stderr), message)
  })
}

test('parseEvaluationError() gives one line of at most 500 characters', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('\n', 'error: ', '\u001B[31m', ' ', 'long '.repeat(200)),
  )
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const message = parseEvaluationError(pieces.join(''))
      assert.ok(message.length <= 500)
      for (const code of ['\r', '\n', '\u001B']) assert.ok(!message.includes(code))
    }),
  )
})

test('formatOneLine() marks what it cuts', () => {
  assert.equal(formatOneLine(' a \n\t b '), 'a b')
  assert.equal(formatOneLine('x'.repeat(501)), `${'x'.repeat(499)}…`)
})

test('classifyEvaluationError() knows the words of nixpkgs, old and new', () => {
  const messages = new Map([
    ['Package ‘a’ in x has an unfree license (‘unfree’), refusing to evaluate.', 'unfree'],
    ["Refusing to evaluate package 'a' in x because it has an unfree license ('unfree')", 'unfree'],
    ['Package ‘a’ in x is marked as broken, refusing to evaluate.', 'broken'],
    ["Refusing to evaluate package 'a' in x because it is marked as broken", 'broken'],
    ['Package ‘a’ in x is marked as insecure, refusing to evaluate.', 'insecure'],
    [
      'Package ‘a’ in x is not supported on ‘aarch64-linux’, refusing to evaluate.',
      'unsupported-system',
    ],
    ['Package ‘a’ in x is not available on the requested hostPlatform:', 'unsupported-system'],
    ["attribute 'a' missing", 'evaluation-error'],
  ])
  for (const [message, kind] of messages) assert.equal(classifyEvaluationError(message), kind)
})

const demands: readonly (readonly [message: string, demand: string | undefined])[] = [
  [
    'This version of Nixpkgs requires Nix >= 1.10, please upgrade! See https://x',
    'Nix 1.10 or newer',
  ],
  ['This version of Nixpkgs requires Nix >= 2.3, please upgrade:', 'Nix 2.3 or newer'],
  [
    'This version of Nixpkgs requires an implementation of Nix with the following features: - the `nixVersion` builtin - `builtins.nixVersion` reports at least 2.18',
    'Nix 2.18 or newer',
  ],
  [
    'This version of Nixpkgs requires an implementation of Nix with the following features: - pipes',
    'an implementation of Nix with the following features: - pipes',
  ],
  ['This version of Nix is fine', undefined],
]

for (const [message, demand] of demands) {
  test(`parseNixDemand() gives ${demand}`, () => {
    assert.equal(parseNixDemand(message), demand)
  })
}
