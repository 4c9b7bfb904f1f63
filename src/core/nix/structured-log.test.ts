import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { parseLogEvent, stripTerminalCodes, type LogEvent } from './structured-log.ts'

// As Nix 2.8.0 printed them.
const printed: readonly (readonly [string, LogEvent | undefined])[] = [
  [
    `@nix {"action":"start","fields":["/nix/store/7mvc5zw98gkk8a2skslz2hmisqcx5czv-bad.drv","",1,1],"id":22561463205893,"level":3,"text":"building '/nix/store/7mvc5zw98gkk8a2skslz2hmisqcx5czv-bad.drv'","type":105}`,
    {
      kind: 'start',
      id: 22561463205893,
      type: 105,
      text: "building '/nix/store/7mvc5zw98gkk8a2skslz2hmisqcx5czv-bad.drv'",
      fields: ['/nix/store/7mvc5zw98gkk8a2skslz2hmisqcx5czv-bad.drv', '', 1, 1],
    },
  ],
  [
    '@nix {"action":"start","id":22505628631042,"level":0,"text":"","type":104}',
    { kind: 'start', id: 22505628631042, type: 104, text: '', fields: [] },
  ],
  ['@nix {"action":"stop","id":22505628631040}', { kind: 'stop', id: 22505628631040 }],
  [
    '@nix {"action":"result","fields":["line 1"],"id":22561463205893,"type":101}',
    { kind: 'result', id: 22561463205893, type: 101, fields: ['line 1'] },
  ],
  [
    '@nix {"action":"result","fields":[0,1,0,0],"id":22505628631042,"type":105}',
    { kind: 'result', id: 22505628631042, type: 105, fields: [0, 1, 0, 0] },
  ],
  [
    String.raw`@nix {"action":"msg","column":null,"level":0,"msg":"\u001b[31;1merror:\u001b[0m it broke","raw_msg":"\u001b[35;1mit\u001b[0m broke"}`,
    { kind: 'message', level: 0, text: 'it broke' },
  ],
  [
    '@nix {"action":"msg","level":3,"msg":"this derivation will be built:"}',
    { kind: 'message', level: 3, text: 'this derivation will be built:' },
  ],
  ['error: out of memory', { kind: 'message', level: 0, text: 'error: out of memory' }],
  ['ld.so: something odd', { kind: 'message', level: 3, text: 'ld.so: something odd' }],
  ['@nix {"action":"novelty","id":1}', undefined],
  ['@nix {"action":"stop","id":"one"}', undefined],
  ['@nix {"action":"start","id":1}', undefined],
  ['@nix {"action":', undefined],
  ['@nix null', undefined],
  ['@nix []', undefined],
]

for (const [line, event] of printed) {
  test(`parseLogEvent() reads ${line.slice(0, 60)}`, () => {
    assert.deepEqual(parseLogEvent(line), event)
  })
}

test('parseLogEvent() takes any line without throwing', () => {
  const action = fc.constantFrom('start', 'stop', 'result', 'msg', 'other')
  const record = fc.record({
    action,
    id: fc.jsonValue(),
    type: fc.jsonValue(),
    fields: fc.jsonValue(),
    msg: fc.jsonValue(),
    level: fc.jsonValue(),
  })
  const line = fc.oneof(
    fc.string(),
    fc.json().map((json) => `@nix ${json}`),
    record.map((it) => `@nix ${JSON.stringify(it)}`),
  )
  fc.assert(
    fc.property(line, (text) => {
      const event = parseLogEvent(text)
      if (event?.kind === 'message') assert.equal(event.text, stripTerminalCodes(event.text))
    }),
  )
})

test('stripTerminalCodes() leaves text that prints', () => {
  assert.equal(
    stripTerminalCodes('\u001B[31;1mred\u001B[0m\tand \u001B]8;;x\u0007link\r\b'),
    'red\tand link',
  )
})
