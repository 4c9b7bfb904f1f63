import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import { NameIndex } from './name-index.ts'
import { nearNames } from './near-names.ts'

const letters = fc.constantFrom('a', 'b', 'c', 'D', '-', '_', '+', '1')
const name = fc.string({ unit: letters, maxLength: 18 })

test('NameIndex finds what comparing with every name finds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(name, { maxLength: 60 }), name, async (names, wanted) => {
      assert.deepEqual((await indexOf(names)).near(wanted), nearNames(wanted, names))
    }),
    { numRuns: 500 },
  )
})

test('NameIndex finds names that are slips away, wherever the slips are', async () => {
  const slip = fc.record({
    kind: fc.constantFrom('insert', 'remove', 'replace', 'swap'),
    place: fc.nat(30),
    letter: letters,
  })
  await fc.assert(
    fc.asyncProperty(name, fc.array(slip, { maxLength: 3 }), async (meant, slips) => {
      const wanted = slips.reduce(
        (text, { kind, place, letter }) => applySlip(text, kind, place % (text.length + 1), letter),
        meant,
      )
      assert.deepEqual((await indexOf([meant])).near(wanted), nearNames(wanted, [meant]))
    }),
    { numRuns: 3000 },
  )
})

test('NameIndex of nothing has nothing near', async () => {
  assert.deepEqual((await indexOf([])).near('git'), [])
  assert.deepEqual((await indexOf(['', '_'])).near('g'), [])
})

test('NameIndex finds neighbours that changed places in the middle, with a slip on either side', async () => {
  const meant = 'abcdefghijklmnop'
  const index = await indexOf([meant])
  for (let cut = 1; cut < meant.length; cut++) {
    const swapped = applySlip(meant, 'swap', cut - 1, '')
    for (let first = 0; first < meant.length; first++) {
      for (let second = first + 1; second < meant.length; second++) {
        const wanted = applySlip(applySlip(swapped, 'replace', first, '-'), 'replace', second, '-')
        assert.deepEqual(index.near(wanted), nearNames(wanted, [meant]), wanted)
      }
    }
  }
})

test('NameIndex pauses while it is built', async () => {
  let pauses = 0
  const names = Array.from({ length: 20_000 }, (_, index) => `name-${index}`)
  const pause = async () => void (pauses += 1)
  const index = await NameIndex.build(names, pause)
  assert.equal(index.size, 20_000)
  assert.ok(pauses >= 8, `${pauses}`)
  assert.deepEqual(index.near('nmae-19999'), nearNames('nmae-19999', names))
})

function indexOf(names: readonly string[]): Promise<NameIndex> {
  return NameIndex.build(names, async () => {})
}

function applySlip(text: string, kind: string, place: number, letter: string): string {
  const [before, after] = [text.slice(0, place), text.slice(place)]
  switch (kind) {
    case 'insert':
      return before + letter + after
    case 'remove':
      return before + after.slice(1)
    case 'replace':
      return before + letter + after.slice(1)
    default:
      return before + after.charAt(1) + after.charAt(0) + after.slice(2)
  }
}
