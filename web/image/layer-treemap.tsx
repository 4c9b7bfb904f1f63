import { hierarchy, treemap, treemapSquarify } from 'd3-hierarchy'
import { useMemo, useRef } from 'preact/hooks'
import { printable } from '../page/printable.ts'
import { formatBytes } from '../page/quantities.ts'
import { shorten } from '../page/shorten.ts'
import { useSize } from '../page/use-size.ts'
import type { NamedLayer } from './named-layer.ts'
import { layerShade, shadeWords } from './layer-shade.ts'

interface Properties {
  readonly layers: readonly NamedLayer[]
  readonly chosen: number | undefined
  readonly onChoose: (index: number) => void
}

interface Tile {
  readonly layer: NamedLayer
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

// A label needs room for some letters and a line.
const leastLabelWidth = 44
const leastLabelHeight = 20
const letterWidth = 7.2

/** The layers as rectangles of their sizes. The table beside it says the same in words. */
export function LayerTreemap({ layers, chosen, onChoose }: Properties) {
  const frame = useRef<HTMLDivElement>(null)
  const { width } = useSize(frame)
  const height = width < 500 ? 320 : 380
  const tiles = useMemo(() => layOut(layers, width, height), [layers, width, height])
  return (
    <figure class="treemap">
      <div ref={frame}>
        <svg width={width} height={height} aria-hidden="true">
          {tiles.map((tile) => (
            <g
              key={tile.layer.index}
              class={tile.layer.index === chosen ? 'tile chosen' : 'tile'}
              transform={`translate(${tile.x},${tile.y})`}
              onClick={() => onChoose(tile.layer.index)}
            >
              <title>{describe(tile.layer)}</title>
              <rect
                class={`shade-${layerShade(tile.layer.sharedCount)}`}
                width={tile.width}
                height={tile.height}
                rx="3"
              />
              <Label {...tile} />
            </g>
          ))}
        </svg>
      </div>
      <figcaption>
        A rectangle is a layer, as large as it is compressed.
        <ul class="legend">
          {shadeWords.map((words, shade) => (
            <li key={words}>
              <span class={`swatch shade-${shade}`} />
              {words}
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  )
}

function Label({ layer, width, height }: Tile) {
  if (width < leastLabelWidth || height < leastLabelHeight) return null
  const letters = Math.floor((width - 10) / letterWidth)
  const shade = layerShade(layer.sharedCount)
  return (
    <text x="6" y="15" class={`on-shade-${shade}`}>
      <tspan>{shorten(printable(layer.title), letters)}</tspan>
      {height > 40 && (
        <tspan x="6" dy="16" class="size">
          {shorten(formatBytes(layer.sizeBytes), letters)}
        </tspan>
      )}
    </text>
  )
}

function layOut(layers: readonly NamedLayer[], width: number, height: number): readonly Tile[] {
  if (width === 0) return []
  const root = hierarchy<{ readonly layer?: NamedLayer; readonly children?: readonly object[] }>({
    children: layers.map((layer) => ({ layer })),
  })
    // Empty layers keep a line that can be seen.
    .sum(({ layer }) => (layer === undefined ? 0 : Math.max(layer.sizeBytes, 1)))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0))
  const laidOut = treemap<typeof root.data>()
    .tile(treemapSquarify)
    .size([width, height])
    .paddingInner(2)
    .round(true)(root)
  return laidOut
    .leaves()
    .flatMap(({ data: { layer }, x0, x1, y0, y1 }) =>
      layer === undefined ? [] : [{ layer, x: x0, y: y0, width: x1 - x0, height: y1 - y0 }],
    )
}

function describe({ title, sizeBytes, sharedCount }: NamedLayer): string {
  return `${printable(title)}\n${formatBytes(sizeBytes)}, ${shadeWords[layerShade(sharedCount)]}`
}
