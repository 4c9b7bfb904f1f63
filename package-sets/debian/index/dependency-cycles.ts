interface Frame {
  readonly node: string
  readonly successors: readonly string[]
  next: number
}

/**
 * The cycles of a graph: its strongly connected components of more than one node (Tarjan), each
 * sorted, ordered by first name. Works on its own stack, because a chain of dependencies may be
 * longer than the engine's call stack allows.
 */
export function findCycles(graph: ReadonlyMap<string, readonly string[]>): readonly string[][] {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const isOpen = new Set<string>()
  const frames: Frame[] = []
  const cycles: string[][] = []

  const enter = (node: string): void => {
    order.set(node, order.size)
    lowest.set(node, order.get(node)!)
    open.push(node)
    isOpen.add(node)
    frames.push({ node, successors: graph.get(node) ?? [], next: 0 })
  }
  const lower = (node: string, to: number): void => {
    lowest.set(node, Math.min(lowest.get(node)!, to))
  }
  const close = (root: string): void => {
    const members = open.splice(open.lastIndexOf(root))
    for (const member of members) isOpen.delete(member)
    if (members.length > 1) cycles.push(members.sort())
  }

  for (const start of graph.keys()) {
    if (!order.has(start)) enter(start)
    while (frames.length > 0) {
      const frame = frames.at(-1)!
      const successor = frame.successors[frame.next]
      frame.next += 1
      if (successor === undefined) {
        frames.pop()
        const parent = frames.at(-1)
        if (parent !== undefined) lower(parent.node, lowest.get(frame.node)!)
        if (lowest.get(frame.node) === order.get(frame.node)) close(frame.node)
      } else if (!order.has(successor)) enter(successor)
      else if (isOpen.has(successor)) lower(frame.node, order.get(successor)!)
    }
  }
  return cycles.sort((a, b) => (a[0]! < b[0]! ? -1 : 1))
}
