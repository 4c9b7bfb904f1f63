import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import {
  classifyEvaluationError,
  explainEvaluationError,
  explainUnsupported,
  formatEvaluationError,
  parseEvaluationError,
  parseNixDemand,
} from './evaluation-message.ts'

const at = { file: '/set/default.nix', line: 3, column: 5 }

const errorLine = (text: string, places: object = {}) =>
  `@nix ${JSON.stringify({ action: 'msg', level: 0, ...places, msg: `error: ${text}`, raw_msg: text })}`

const lines: readonly (readonly [what: string, line: string, message: string | undefined])[] = [
  [
    'the bare message, without colours',
    errorLine("attribute '\u001B[35;1mx\u001B[0m' missing"),
    "attribute 'x' missing",
  ],
  [
    'the first paragraph of a message of many lines',
    errorLine('Package ‘a-1.0’ in /a.nix:1 is\nunfree.\n\na) To temporarily allow it\n\nerror: b'),
    'Package ‘a-1.0’ in /a.nix:1 is unfree.',
  ],
  ['a message that begins with an empty line', errorLine('\n\n  It is:\n\n  - more\n'), 'It is:'],
  ['what is printed outside of the log', 'error: stack overflow', 'stack overflow'],
  [
    'what has no text of its own',
    '@nix {"action":"msg","level":0,"msg":"error: out of memory"}',
    'out of memory',
  ],
  ['no warning', '@nix {"action":"msg","level":1,"msg":"warning: x","raw_msg":"x"}', undefined],
  [
    'nothing that a set says',
    '@nix {"action":"msg","level":0,"msg":"trace: x\\nerror: y"}',
    undefined,
  ],
  ['nothing that a set says', '@nix {"action":"msg","level":0,"msg":"trace: error: y"}', undefined],
  ['nothing of other records', '@nix {"action":"stop","id":1}', undefined],
  ['nothing of nothing', '', undefined],
]

for (const [what, line, message] of lines) {
  test(`parseEvaluationError() gives ${what}`, () => {
    assert.equal(parseEvaluationError(line)?.message, message)
  })
}

test('parseEvaluationError() tells the words of an abort', () => {
  const abort = "evaluation aborted with the following error message: '"
  const long = parseEvaluationError(errorLine(`${abort}\n\n  This set is old:\n\n  - x\n'`))
  assert.deepEqual([long?.message, long?.isAborted], ['This set is old:', true])
  const short = parseEvaluationError(errorLine(`${abort}the end'`))
  assert.deepEqual([short?.message, short?.isAborted], ['the end', true])
  assert.equal(parseEvaluationError(errorLine('the end'))?.isAborted, false)
})

test('parseEvaluationError() gives places, the innermost first', () => {
  const trace = [
    { raw_msg: 'while \u001B[35;1mevaluating\u001B[0m', ...at, line: 9 },
    { raw_msg: 'from x' },
  ]
  assert.deepEqual(parseEvaluationError(errorLine('no', { ...at, trace })), {
    message: 'no',
    isAborted: false,
    position: at,
    trace: [{ text: 'while evaluating', position: { ...at, line: 9 } }, { text: 'from x' }],
  })
  const later = parseEvaluationError(errorLine('no', { ...at, file: '/set/default.nix:3:5' }))
  assert.deepEqual(later?.position, at, 'as Nix since 2.14 writes it')
  const nowhere = parseEvaluationError(errorLine('no', { file: null, line: null, column: null }))
  assert.deepEqual(nowhere, { message: 'no', isAborted: false, trace: [] })
})

test('parseEvaluationError() reads a record that was cut in its trace or in its text', () => {
  const start = '@nix {"action":"msg","column":5,"file":"/set/default.nix","level":0,"line":3,'
  const printed = String.raw`"msg":"\u001b[31;1merror:\u001b[0m no\n\n       at x`
  const cutLate = `${start}${printed}","raw_msg":"no","trace":[{"raw_msg":"while `
  for (const line of [cutLate, `${start}${printed}`]) {
    assert.deepEqual(parseEvaluationError(line), {
      message: 'no',
      isAborted: false,
      position: at,
      trace: [],
    })
  }
  const saying = String.raw`@nix {"action":"msg","level":0,"msg":"trace: error: no\n\nmore`
  assert.equal(parseEvaluationError(saying), undefined)
})

test('parseEvaluationError() gives one line of at most 500 characters', () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('\n', 'error: ', '\u001B[31m', ' ', 'long '.repeat(200)),
  )
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const message = parseEvaluationError(errorLine(pieces.join('')))?.message
      assert.ok(message !== undefined && message.length <= 500)
      for (const code of ['\r', '\n', '\u001B']) assert.ok(!message.includes(code))
    }),
  )
})

test('formatEvaluationError() keeps the place when it cuts the message', () => {
  assert.equal(formatEvaluationError('no', 'a.nix:1:2'), 'no (a.nix:1:2)')
  assert.equal(formatEvaluationError('no', undefined), 'no')
  const long = formatEvaluationError('x'.repeat(600), 'a.nix:1:2')
  assert.ok(long.length === 500 && long.endsWith('… (a.nix:1:2)'))
  assert.equal(formatEvaluationError('no', 'x'.repeat(600)), 'no')
})

test('explainEvaluationError() says what helps', () => {
  assert.equal(
    explainEvaluationError(
      "file 'nixpkgs/lib' was not found in the Nix search path (add it using $NIX_PATH or -I)",
    ),
    'the package set asks for <nixpkgs/lib>, which this registry does not have: a set has to bring everything it imports',
  )
  assert.match(
    explainEvaluationError("access to URI 'https://x/y' is forbidden in restricted mode"),
    /^access to URI .* restricted mode: .* NIXERY_ALLOWED_URIS$/,
  )
  assert.equal(explainEvaluationError('other'), 'other')
})

const unsupported: readonly (readonly [message: string, explanation: string])[] = [
  [
    'Package ‘cpuid’ is not available on the requested hostPlatform: Debian has it for other architectures than arm64',
    'Debian has it for other architectures than arm64',
  ],
  [
    'Package ‘a-1’ in /x.nix:3 is not available on the requested hostPlatform: hostPlatform.config = "aarch64-unknown-linux-gnu" package.meta.platforms = [ "x86_64-linux" ] package.meta.badPlatforms = [ ] , refusing to evaluate.',
    'it is for x86_64-linux',
  ],
  [
    'Package ‘a-1’ in /x.nix:3 is not available on the requested hostPlatform: hostPlatform.system = "x86_64-linux", refusing to evaluate.',
    'its package set does not support it there',
  ],
  [
    'Package ‘a-1’ in /x.nix:3 is not supported on ‘aarch64-linux’, refusing to evaluate.',
    'its package set does not support it there',
  ],
  ['so it is not supported on ‘aarch64-linux’', 'so it is not supported on ‘aarch64-linux’'],
]

for (const [message, explanation] of unsupported) {
  test(`explainUnsupported() makes "${explanation}" of ${message.slice(0, 80)}`, () => {
    assert.equal(explainUnsupported(message), explanation)
  })
}

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
