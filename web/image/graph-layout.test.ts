import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClosureCut, Line } from './closure-cut.ts'
import { layOutGraph, nodeHeight, nodeWidth } from './graph-layout.ts'

const cut = (places: readonly number[], lines: readonly Line[]): ClosureCut => ({
  places,
  lines,
  leftOut: 0,
  leftOutBytes: 0,
  hasAllStarts: true,
})

// git → perl → glibc, git → zlib → glibc; nano → glibc; data stands alone.
const [glibc, zlib, perl, git, nano, data] = [0, 1, 2, 3, 4, 5] as const
const drawn = cut(
  [glibc, zlib, perl, git, nano, data],
  [
    [git, perl],
    [git, zlib],
    [perl, glibc],
    [zlib, glibc],
    [nano, glibc],
  ],
)

test('layOutGraph() puts what nothing refers to into the first row, and below it what is needed', () => {
  const { nodes } = layOutGraph(drawn)
  const rowOf = new Map(nodes.map(({ place, y }) => [place, y]))
  for (const root of [git, nano, data]) assert.equal(rowOf.get(root), nodeHeight / 2)
  for (const [from, to] of drawn.lines) assert.ok(rowOf.get(from)! < rowOf.get(to)!)
})

test('layOutGraph() lets no nodes overlap, and keeps them within the drawing', () => {
  const { nodes, width, height } = layOutGraph(drawn)
  for (const one of nodes) {
    assert.ok(one.x >= nodeWidth / 2 && one.x <= width - nodeWidth / 2)
    assert.ok(one.y >= nodeHeight / 2 && one.y <= height - nodeHeight / 2)
    for (const other of nodes.filter((node) => node !== one))
      assert.ok(
        Math.abs(one.x - other.x) >= nodeWidth || Math.abs(one.y - other.y) >= nodeHeight,
        `${one.place} and ${other.place}`,
      )
  }
})

test('layOutGraph() leads lines from edge to edge', () => {
  const { nodes, lines } = layOutGraph(drawn)
  const find = (place: number) => nodes.find((node) => node.place === place)!
  for (const { from, to, points } of lines) {
    assert.deepEqual(points[0], { x: find(from).x, y: find(from).y + nodeHeight / 2 })
    assert.deepEqual(points.at(-1), { x: find(to).x, y: find(to).y - nodeHeight / 2 })
  }
})

test('layOutGraph() draws a cycle, and a node alone', () => {
  const cycle = cut(
    [0, 1],
    [
      [0, 1],
      [1, 0],
    ],
  )
  assert.equal(layOutGraph(cycle).nodes.length, 2)
  const { width, height } = layOutGraph(cut([0], []))
  assert.deepEqual([width, height], [nodeWidth, nodeHeight])
})
