import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useSize } from '../page/use-size.ts'
import {
  nodeHeight,
  nodeWidth,
  type GraphLayout,
  type PlacedLine,
  type PlacedNode,
  type Point,
} from './graph-layout.ts'
import { nextNode } from './next-node.ts'
import { reveal } from './pan-zoom.ts'
import { useLens, zoomStep } from './use-lens.ts'

/** What a node says and how it is coloured. */
export interface NodeFace {
  readonly title: string
  readonly detail: string
  /** All of it, for a pointer that rests there and for those who do not see it. */
  readonly description: string
  readonly tone: string
  /** Whether the image has it by its name. */
  readonly isAsked: boolean
}

/** What stands out while a node has the attention: places in the closure. */
export interface Emphasis {
  readonly place: number
  /** That node, all that it needs and all that needs it. */
  readonly related: ReadonlySet<number>
  /** The way by which it came into the image, of those places that are drawn. */
  readonly way: readonly number[]
}

interface Properties {
  readonly layout: GraphLayout
  readonly faceOf: (place: number) => NodeFace
  readonly chosen: number | undefined
  readonly emphasis: Emphasis | undefined
  readonly onAttend: (place: number | undefined) => void
  readonly onChoose: (place: number) => void
}

const frameSize = { width: nodeWidth, height: nodeHeight }

/** The drawn graph under its frame. One node takes part in the order of Tab, arrow keys lead to the others. */
export function GraphStage(properties: Properties) {
  const { layout, faceOf, chosen, emphasis, onAttend, onChoose } = properties
  const frame = useRef<HTMLDivElement>(null)
  const size = useSize(frame)
  const { lens, move, zoomBy, showWhole, followKey } = useLens(frame, layout, size)
  const entry = layout.nodes.find(({ place }) => place === chosen) ?? topNode(layout)
  const [current, setCurrent] = useState<number | undefined>()
  const currentPlace = layout.nodes.some(({ place }) => place === current) ? current : entry?.place
  // What was chosen in the list comes into sight here; after the fit of useLens, and before it is painted.
  useLayoutEffect(() => {
    const node = layout.nodes.find(({ place }) => place === chosen)
    if (node !== undefined && size.width > 0) move((lens) => reveal(lens, node, frameSize, size))
  }, [layout, chosen, size])

  function attend(node: PlacedNode): void {
    setCurrent(node.place)
    onAttend(node.place)
    move((lens) => reveal(lens, node, frameSize, size))
  }

  function onNodeKey(event: KeyboardEvent, node: PlacedNode): void {
    if (hasModifier(event)) return
    if (event.key === 'Enter' || event.key === ' ') onChoose(node.place)
    else if (event.key === 'Escape') frame.current?.focus()
    else if (event.key.startsWith('Arrow')) {
      const next = nextNode(layout.nodes, node, event.key)
      const element = frame.current?.querySelector<SVGElement>(`[data-place="${next?.place}"]`)
      element?.focus({ preventScroll: true })
    } else if (!followKey(event.key)) return
    event.preventDefault()
    event.stopPropagation()
  }

  const drawing = useMemo(
    () => (
      <>
        {layout.lines.map((line) => (
          <path key={`${line.from}-${line.to}`} class={lineClass(line, emphasis)} d={curve(line)} />
        ))}
        {emphasis !== undefined && <path class="line way" d={wayOver(layout, emphasis.way)} />}
        {layout.nodes.map((node) => {
          const { place, x, y } = node
          const { title, detail, description, tone, isAsked } = faceOf(place)
          return (
            <g
              key={place}
              class={`${nodeClass(place, chosen, emphasis)}${isAsked ? ' asked' : ''}`}
              transform={`translate(${x - nodeWidth / 2},${y - nodeHeight / 2})`}
              role="button"
              // SVG knows the attribute in small letters alone, and Preact writes it as it stands here.
              tabindex={place === currentPlace ? 0 : -1}
              aria-pressed={place === chosen}
              data-place={place}
              onClick={() => onChoose(place)}
              onFocus={() => attend(node)}
              onBlur={() => onAttend(undefined)}
              onPointerEnter={({ pointerType }) => pointerType === 'mouse' && onAttend(place)}
              onPointerLeave={({ pointerType }) => pointerType === 'mouse' && onAttend(undefined)}
              onKeyDown={(event) => onNodeKey(event, node)}
            >
              <title>{description}</title>
              <rect class={tone} width={nodeWidth} height={nodeHeight} rx="5" />
              <text x="7" y="15" class={`on-${tone}`} aria-hidden="true">
                {title}
              </text>
              <text x="7" y="29" class={`size on-${tone}`} aria-hidden="true">
                {detail}
              </text>
            </g>
          )
        })}
      </>
    ),
    [layout, faceOf, chosen, emphasis, currentPlace, size],
  )
  return (
    <div class="stage">
      <div class="zoom">
        <button type="button" aria-label="Larger" onClick={() => zoomBy(zoomStep)}>
          +
        </button>
        <button type="button" aria-label="Smaller" onClick={() => zoomBy(1 / zoomStep)}>
          −
        </button>
        <button type="button" onClick={showWhole}>
          Whole
        </button>
      </div>
      <div
        ref={frame}
        class="frame"
        tabIndex={0}
        role="region"
        aria-label="The closure as a graph. Arrow keys move it, plus and minus change its size, 0 shows all of it."
        onKeyDown={(event) => {
          if (!hasModifier(event) && followKey(event.key)) event.preventDefault()
        }}
      >
        <svg width={size.width} height={size.height}>
          <g transform={`translate(${lens.x},${lens.y}) scale(${lens.scale})`}>{drawing}</g>
        </svg>
      </div>
    </div>
  )
}

function topNode({ nodes }: GraphLayout): PlacedNode | undefined {
  const [first] = nodes.toSorted((a, b) => a.y - b.y || a.x - b.x)
  return first
}

/** Keys of the browser and of screen readers are theirs. */
function hasModifier({ altKey, ctrlKey, metaKey }: KeyboardEvent): boolean {
  return altKey || ctrlKey || metaKey
}

function nodeClass(
  place: number,
  chosen: number | undefined,
  emphasis: Emphasis | undefined,
): string {
  const classes = ['node']
  if (place === chosen) classes.push('chosen')
  if (emphasis !== undefined && !emphasis.related.has(place)) classes.push('aside')
  if (emphasis?.way.includes(place) === true) classes.push('on-way')
  return classes.join(' ')
}

function lineClass({ from, to }: PlacedLine, emphasis: Emphasis | undefined): string {
  if (emphasis === undefined) return 'line'
  const { related } = emphasis
  return related.has(from) && related.has(to) ? 'line related' : 'line aside'
}

/** Through the middles between the points, which bend it. */
function curve({ points }: PlacedLine): string {
  const [first, ...rest] = points
  const last = rest.at(-1)
  if (first === undefined || last === undefined) return ''
  const bends = rest.slice(0, -1).map((point, index) => {
    const end = index === rest.length - 2 ? last : middle(point, rest[index + 1]!)
    return `Q${point.x},${point.y} ${end.x},${end.y}`
  })
  return `M${first.x},${first.y}${bends.length === 0 ? `L${last.x},${last.y}` : bends.join('')}`
}

/** Along the drawn lines where there are some: a reference that a longer way says too has none. */
function wayOver({ nodes, lines }: GraphLayout, way: readonly number[]): string {
  return way
    .slice(1)
    .map((to, index) => {
      const from = way[index]!
      const line = lines.find((line) => line.from === from && line.to === to)
      if (line !== undefined) return curve(line)
      const [above, below] = [from, to].map((place) => nodes.find((node) => node.place === place)!)
      const [start, end] = [above!.y + nodeHeight / 2, below!.y - nodeHeight / 2]
      return `M${above!.x},${start}L${below!.x},${end}`
    })
    .join('')
}

function middle(one: Point, other: Point): Point {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 }
}
