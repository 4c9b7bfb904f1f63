import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextNode } from './next-node.ts'

const nodes = [
  { place: 0, x: 100, y: 0 },
  { place: 1, x: 50, y: 80 },
  { place: 2, x: 160, y: 80 },
  { place: 3, x: 60, y: 160 },
]
const cases: readonly (readonly [from: number, key: string, to: number | undefined])[] = [
  [0, 'ArrowDown', 1],
  [1, 'ArrowRight', 2],
  [2, 'ArrowLeft', 1],
  [3, 'ArrowUp', 1],
  [0, 'ArrowUp', undefined],
  [0, 'Enter', undefined],
]

for (const [from, key, to] of cases) {
  test(`nextNode() follows ${key} from node ${from}`, () => {
    assert.equal(nextNode(nodes, nodes[from]!, key)?.place, to)
  })
}
