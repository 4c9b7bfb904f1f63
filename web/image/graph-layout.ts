import { graphlib, layout } from '@dagrejs/dagre'
import type { ClosureCut } from './closure-cut.ts'

export interface GraphLayout {
  readonly width: number
  readonly height: number
  readonly nodes: readonly PlacedNode[]
  readonly lines: readonly PlacedLine[]
}

export interface PlacedNode {
  readonly place: number
  /** Of its centre. */
  readonly x: number
  readonly y: number
}

export interface PlacedLine {
  readonly from: number
  readonly to: number
  /** From the middle of the one's lower edge to that of the other's upper edge. */
  readonly points: readonly Point[]
}

export interface Point {
  readonly x: number
  readonly y: number
}

export const nodeWidth = 118
export const nodeHeight = 36
const rankGap = 44
// Graphs are wide and frames less so: rows move apart, but not further than lines can be followed.
const wantedRatio = 0.42
const mostStretch = 2

// No place of a closure.
const top = 'top'
// One line to the top outweighs all lines of a node: what nothing refers to stands in the first row.
const topWeight = 1000

/** Rows from what nothing refers to down to what needs nothing, with few crossings. */
export function layOutGraph({ places, lines }: ClosureCut): GraphLayout {
  const graph = new graphlib.Graph()
  graph.setGraph({ nodesep: 10, edgesep: 5, ranksep: rankGap })
  graph.setNode(top, { width: 0, height: 0 })
  for (const place of places) graph.setNode(`${place}`, { width: nodeWidth, height: nodeHeight })
  for (const [from, to] of lines) graph.setEdge(`${from}`, `${to}`, {})
  const needed = new Set(lines.map(([, to]) => to))
  const roots = places.filter((place) => !needed.has(place))
  for (const root of roots) graph.setEdge(top, `${root}`, { weight: topWeight })
  layout(graph)

  const { width = 0, height = 0 } = graph.graph()
  // The row of the top alone is not drawn.
  const rowsHeight = height - rankGap - nodeHeight
  const wanted = (width * wantedRatio) / Math.max(rowsHeight, 1)
  const stretch = Math.min(Math.max(wanted, 1), mostStretch)
  const settle = ({ x, y }: Point): Point => ({
    x,
    y: (y - rankGap - nodeHeight / 2) * stretch + nodeHeight / 2,
  })
  const nodes = new Map(places.map((place) => [place, settle(graph.node(`${place}`))]))
  return {
    width,
    height: rowsHeight * stretch + nodeHeight,
    nodes: [...nodes].map(([place, point]) => ({ place, ...point })),
    lines: lines.map(([from, to]) => {
      const bends = graph.edge(`${from}`, `${to}`).points.slice(1, -1).map(settle)
      return { from, to, points: [below(nodes.get(from)!), ...bends, above(nodes.get(to)!)] }
    }),
  }
}

function below({ x, y }: Point): Point {
  return { x, y: y + nodeHeight / 2 }
}

function above({ x, y }: Point): Point {
  return { x, y: y - nodeHeight / 2 }
}
