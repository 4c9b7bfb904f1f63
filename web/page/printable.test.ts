import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable } from './printable.ts'

const texts: readonly (readonly [string, string])[] = [
  ['plain <b>text</b>\n\tindented', 'plain <b>text</b>\n\tindented'],
  ['\u001b[1;31mred\u001b[0m', 'red'],
  ['\u001b]8;;http://x\u0007link\u001b]8;;\u001b\\', 'link'],
  ['a\u0000b\u0007c\rd', 'a\ufffdb\ufffdc\ufffdd'],
  ['good\u202egnp.exe', 'good\ufffdgnp.exe'],
  ['gi\u200dt\u2028', 'gi\ufffdt\ufffd'],
  ['\u05e9\u05dc\u05d5\u05dd', '\u05e9\u05dc\u05d5\u05dd'],
]
for (const [text, expected] of texts) {
  test(`printable() of ${JSON.stringify(text)}`, () => assert.equal(printable(text), expected))
}
