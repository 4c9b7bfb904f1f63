import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatHeadingId } from './heading-id.ts'

const cases = [
  ['Garbage collection', 'garbage-collection'],
  ['What grows, and how to get it back', 'what-grows-and-how-to-get-it-back'],
  ['nixery gc', 'nixery-gc'],
  ['Names & tags', 'names--tags'],
  ['`/api/v1`', 'apiv1'],
] as const
for (const [heading, id] of cases) {
  test(`formatHeadingId() gives ${id}`, () => assert.equal(formatHeadingId(heading), id))
}
