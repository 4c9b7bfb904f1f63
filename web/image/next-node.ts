import type { PlacedNode } from './graph-layout.ts'

// What lies aside counts more than what lies ahead.
const asideWeight = 3

const directions: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

/** The nearest node that an arrow key points at from another one; `undefined` at the edge, or for other keys. */
export function nextNode(
  nodes: readonly PlacedNode[],
  from: PlacedNode,
  key: string,
): PlacedNode | undefined {
  const direction = directions[key]
  if (direction === undefined) return undefined
  const [right, down] = direction
  const reach = ({ x, y }: PlacedNode) => {
    const ahead = (x - from.x) * right + (y - from.y) * down
    const aside = Math.abs((x - from.x) * down) + Math.abs((y - from.y) * right)
    return ahead > 0 ? ahead + asideWeight * aside : Infinity
  }
  const [nearest] = nodes.toSorted((a, b) => (reach(a) < reach(b) ? -1 : 1))
  return nearest !== undefined && reach(nearest) < Infinity ? nearest : undefined
}
