import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import { digestOf } from '#core/oci/digest.ts'
import { contentsDocument, describeContents } from './image-contents.ts'

const pathOf = (name: string, letter: string): StorePath =>
  parseStorePath(`/nix/store/${letter.repeat(32)}-${name}`)!
const libc = pathOf('libc', 'a')
const bash = pathOf('bash', 'b')
const git = pathOf('git', 'c')

const graph: ClosureGraph = {
  roots: [git],
  nodes: [
    { path: libc, narSizeBytes: 30, references: [] },
    { path: bash, narSizeBytes: 20, references: [libc] },
    { path: git, narSizeBytes: 10, references: [libc, bash] },
  ],
}
const layers = [
  { digest: digestOf('libc layer'), storePaths: [libc] },
  { digest: digestOf('programs'), storePaths: [bash, git] },
  { digest: digestOf('root'), storePaths: [] },
]

test('describeContents() names store paths once and refers to them by their places', () => {
  assert.deepEqual(describeContents(graph, new Set([git]), layers), {
    closure: [
      { path: `${'a'.repeat(32)}-libc`, narSizeBytes: 30, references: [] },
      { path: `${'b'.repeat(32)}-bash`, narSizeBytes: 20, references: [0] },
      { path: `${'c'.repeat(32)}-git`, narSizeBytes: 10, references: [0, 1], asked: true },
    ],
    layers: [
      { digest: digestOf('libc layer'), paths: [0] },
      { digest: digestOf('programs'), paths: [1, 2] },
      { digest: digestOf('root'), paths: [] },
    ],
  })
})

test('contentsDocument() of 10,000 store paths with ten references each takes 2 MB', () => {
  const alphabet = '0123456789abcdfghijklmnpqrsvwxyz'
  const paths = Array.from({ length: 10_000 }, (_, number) => {
    const hash = String(number)
      .padStart(32, '0')
      .replaceAll(/./g, (digit) => alphabet[Number(digit)]!)
    return parseStorePath(`/nix/store/${hash}-python3.13-package-${number}-1.0.0`)!
  })
  const nodes = paths.map((path, number) => ({
    path,
    narSizeBytes: 1_000_000 + number,
    references: paths.slice(Math.max(0, number - 10), number),
  }))
  const document = contentsDocument(
    describeContents({ roots: paths, nodes }, new Set(paths), [
      { digest: digestOf('all'), storePaths: paths },
    ]),
  )
  assert.ok(document.bytes.length < 2.2e6, `${document.bytes.length} bytes`)
})
