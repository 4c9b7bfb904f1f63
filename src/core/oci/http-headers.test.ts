import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { negotiate } from './accept.ts'
import { parseByteRange } from './byte-range.ts'
import { digestOf } from './digest.ts'
import { allowsRange, formatEntityTag, matchesEntityTag } from './entity-tag.ts'

const offers = ['application/vnd.oci', 'application/vnd.docker'] as const

test('negotiate() takes the first offer that the client reads', () => {
  const table: ReadonlyArray<readonly [accept: string | undefined, chosen: string]> = [
    [undefined, offers[0]],
    ['', offers[0]],
    ['*/*', offers[0]],
    ['application/*', offers[0]],
    ['application/vnd.docker', offers[1]],
    ['application/vnd.docker, application/vnd.oci', offers[0]],
    ['APPLICATION/VND.DOCKER; charset=utf-8', offers[1]],
    ['application/vnd.oci;q=0, */*', offers[1]],
    ['application/vnd.oci; q=0.1', offers[0]],
    ['text/html', offers[0]],
    ['application/vnd.oci;q=nonsense', offers[0]],
  ]
  for (const [accept, chosen] of table)
    assert.equal(negotiate(accept, offers), chosen, String(accept))
})

test('parseByteRange() follows RFC 9110', () => {
  const part = (start: number, end: number) => ({ kind: 'part', range: { start, end } })
  const table: ReadonlyArray<
    readonly [header: string | undefined, size: number, expected: unknown]
  > = [
    [undefined, 10, { kind: 'whole' }],
    ['bytes=0-0', 10, part(0, 0)],
    ['bytes=3-', 10, part(3, 9)],
    ['bytes=3-99', 10, part(3, 9)],
    ['bytes=-4', 10, part(6, 9)],
    ['bytes=-40', 10, part(0, 9)],
    ['BYTES=1-2', 10, part(1, 2)],
    ['bytes=10-', 10, { kind: 'unsatisfiable' }],
    ['bytes=-0', 10, { kind: 'unsatisfiable' }],
    ['bytes=0-', 0, { kind: 'unsatisfiable' }],
    ['bytes=5-3', 10, { kind: 'whole' }],
    ['bytes=0-1,4-5', 10, { kind: 'whole' }],
    ['bytes=-', 10, { kind: 'whole' }],
    ['lines=1-2', 10, { kind: 'whole' }],
    ['nonsense', 10, { kind: 'whole' }],
  ]
  for (const [header, size, expected] of table) {
    assert.deepEqual(parseByteRange(header, size), expected, `${header} of ${size}`)
  }
})

test('parseByteRange() stays within the blob', () => {
  const header = fc.tuple(fc.nat(), fc.nat()).map(([first, last]) => `bytes=${first}-${last}`)
  fc.assert(
    fc.property(header, fc.nat(), (text, size) => {
      const outcome = parseByteRange(text, size)
      if (outcome.kind !== 'part') return
      const { start, end } = outcome.range
      assert.ok(start >= 0 && start <= end && end < size)
    }),
  )
})

test('matchesEntityTag() and allowsRange() compare entity tags', () => {
  const tag = formatEntityTag(digestOf('x'))
  assert.ok(matchesEntityTag(tag, tag))
  assert.ok(matchesEntityTag(`"other", W/${tag}`, tag))
  assert.ok(matchesEntityTag('*', tag))
  assert.ok(!matchesEntityTag('"other"', tag))
  assert.ok(!matchesEntityTag(undefined, tag))
  assert.ok(allowsRange(undefined, tag))
  assert.ok(allowsRange(tag, tag))
  assert.ok(!allowsRange(`W/${tag}`, tag))
  assert.ok(!allowsRange('Tue, 01 Jan 2030 00:00:00 GMT', tag))
})
