import { strict as assert } from 'node:assert'

/** For each node of a directed graph, the nodes that its edges lead to. Nodes are array indices. */
export type Successors = readonly (readonly number[])[]

const unset = -1

/**
 * Immediate dominators of a directed graph, cycles and all: `result[node]` is the last node that
 * every way from `root` to `node` passes before it arrives; `result[root]` is `root`. Every node
 * must be reachable.
 *
 * Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm" (2001). Loops instead of
 * recursion, because a closure may be a chain of ten thousand paths.
 */
export function findImmediateDominators(successors: Successors, root: number): Int32Array {
  const postorder = listPostorder(successors, root)
  assert.equal(postorder.length, successors.length, 'every node is reachable from the root')

  const rank = new Int32Array(successors.length)
  for (const [position, node] of postorder.entries()) rank[node] = position
  const predecessors = invertEdges(successors)

  const dominators = new Int32Array(successors.length).fill(unset)
  dominators[root] = root
  const order = postorder.toReversed().filter((node) => node !== root)
  for (let changed = true; changed;) {
    changed = false
    for (const node of order) {
      const dominator = meetAll(predecessors[node]!, dominators, rank)
      if (dominators[node] === dominator) continue
      dominators[node] = dominator
      changed = true
    }
  }
  return dominators
}

/** The closest common dominator, so far, of the predecessors that have one. */
function meetAll(nodes: readonly number[], dominators: Int32Array, rank: Int32Array): number {
  let meeting = unset
  for (const node of nodes) {
    if (dominators[node] === unset) continue
    meeting = meeting === unset ? node : meet(meeting, node, dominators, rank)
  }
  return meeting
}

/** Climbs from both nodes to the first that dominates both; a dominator always ranks higher. */
function meet(one: number, other: number, dominators: Int32Array, rank: Int32Array): number {
  while (one !== other) {
    while (rank[one]! < rank[other]!) one = dominators[one]!
    while (rank[other]! < rank[one]!) other = dominators[other]!
  }
  return one
}

function invertEdges(successors: Successors): number[][] {
  const predecessors: number[][] = successors.map(() => [])
  for (const [node, next] of successors.entries()) {
    for (const successor of next) predecessors[successor]!.push(node)
  }
  return predecessors
}

/** Depth first; a node comes after all that it leads to, cycles aside. */
function listPostorder(successors: Successors, root: number): number[] {
  const seen = new Set([root])
  const postorder: number[] = []
  const trail = [{ node: root, next: 0 }]
  for (let top = trail.at(-1); top !== undefined; top = trail.at(-1)) {
    const successor = successors[top.node]![top.next]
    if (successor === undefined) {
      postorder.push(top.node)
      trail.pop()
      continue
    }
    top.next += 1
    if (seen.has(successor)) continue
    seen.add(successor)
    trail.push({ node: successor, next: 0 })
  }
  return postorder
}
