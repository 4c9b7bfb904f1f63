import * as fc from 'fast-check'
import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'

type DrawnNode = { readonly size: number; readonly references?: readonly string[] }

/** A closure with short names: `a` is `/nix/store/…-a-1`. */
export function drawClosure(roots: readonly string[], nodes: Readonly<Record<string, DrawnNode>>) {
  return {
    roots: roots.map(drawnPath),
    nodes: Object.entries(nodes).map(([name, { size, references = [] }]) => ({
      path: drawnPath(name),
      narSizeBytes: size,
      references: references.map(drawnPath),
    })),
  } satisfies ClosureGraph
}

export function drawnPath(name: string): StorePath {
  return parseStorePath(`/nix/store/${'0'.repeat(32)}-${name}-1`)!
}

/** For properties: closures with cycles and big paths; what nothing refers to is a root. */
export function randomClosure(): fc.Arbitrary<ClosureGraph> {
  return fc
    .integer({ min: 1, max: 16 })
    .chain((size) => {
      const node = fc.nat({ max: size - 1 })
      const sizeBytes = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 200_000_000 }))
      return fc.record({
        sizes: fc.array(sizeBytes, { minLength: size, maxLength: size }),
        edges: fc.array(fc.tuple(node, node), { maxLength: 2 * size }),
        roots: fc.uniqueArray(node),
      })
    })
    .map(({ sizes, edges, roots }) => {
      const nodes = sizes.map((narSizeBytes, position): ClosureNode => ({
        path: drawnPath(`n${position}`),
        narSizeBytes,
        references: edges
          .filter(([from, to]) => from === position && to !== position)
          .map(([, to]) => drawnPath(`n${to}`)),
      }))
      return {
        roots: coverAll(
          nodes,
          roots.map((root) => drawnPath(`n${root}`)),
        ),
        nodes,
      }
    })
}

/** The roots, and more of them until every node is reached. */
function coverAll(nodes: readonly ClosureNode[], roots: readonly StorePath[]): StorePath[] {
  const references = new Map(nodes.map((node) => [node.path, node.references]))
  const reached = new Set(roots)
  const grow = () => {
    for (const path of reached) for (const next of references.get(path)!) reached.add(next)
  }
  grow()
  const all = [...roots]
  for (const { path } of nodes) {
    if (reached.has(path)) continue
    all.push(path)
    reached.add(path)
    grow()
  }
  return all
}

export function shuffle<T>(values: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...values], { minLength: values.length, maxLength: values.length })
}
