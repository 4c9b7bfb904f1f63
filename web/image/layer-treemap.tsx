import { hierarchy, treemap, treemapSquarify } from 'd3-hierarchy'
import { useMemo, useRef } from 'preact/hooks'
import { printable } from '../page/printable.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'
import { shorten } from '../page/shorten.ts'
import { useSize } from '../page/use-size.ts'
import type { NamedLayer } from './named-layer.ts'
import { layerShade, shadeWords } from './layer-shade.ts'

interface Properties {
  readonly layers: readonly NamedLayer[]
  /** Whether it is known which other images have the layers. */
  readonly isCounted: boolean
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
export function LayerTreemap({ layers, isCounted, chosen, onChoose }: Properties) {
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
              <title>{describe(tile.layer, isCounted)}</title>
              <rect
                class={`shade-${layerShade(tile.layer.sharedCount)}`}
                width={tile.width}
                height={tile.height}
                rx="3"
              />
              <Label tile={tile} isCounted={isCounted} />
            </g>
          ))}
        </svg>
      </div>
      <figcaption>
        A rectangle is a layer, as large as it is compressed.{' '}
        {isCounted
          ? 'Its colour is its popularity, in how many other stored images it is:'
          : 'Its popularity, in how many other stored images it is, is being counted.'}
        {isCounted && (
          <ul class="legend">
            {shadeWords.map((words, shade) => (
              <li key={words}>
                <span class={`swatch shade-${shade}`} />
                {words}
              </li>
            ))}
          </ul>
        )}
      </figcaption>
    </figure>
  )
}

interface LabelProperties {
  readonly tile: Tile
  readonly isCounted: boolean
}

function Label({ tile: { layer, width, height }, isCounted }: LabelProperties) {
  if (width < leastLabelWidth || height < leastLabelHeight) return null
  const letters = Math.floor((width - 10) / letterWidth)
  const shade = layerShade(layer.sharedCount)
  const popularity = `in ${formatCount(layer.sharedCount, 'other')}`
  const hasRoom = height > 3 * leastLabelHeight && popularity.length <= letters
  return (
    <text x="6" y="15" class={`on-shade-${shade}`}>
      <tspan>{shorten(printable(layer.title), letters)}</tspan>
      {height > 2 * leastLabelHeight && (
        <tspan x="6" dy="16">
          {shorten(formatBytes(layer.sizeBytes), letters)}
        </tspan>
      )}
      {hasRoom && isCounted && layer.sharedCount > 0 && (
        <tspan x="6" dy="16">
          {popularity}
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

function describe({ title, sizeBytes, sharedCount }: NamedLayer, isCounted: boolean): string {
  const popularity = isCounted ? `, in ${formatCount(sharedCount, 'other image')}` : ''
  return `${printable(title)}\n${formatBytes(sizeBytes)}${popularity}`
}
