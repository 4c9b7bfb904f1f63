import { useCallback, useMemo, useState } from 'preact/hooks'
import type { ViewedPath } from '#core/api/image-view.ts'
import { printable } from '../page/printable.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'
import { shorten } from '../page/shorten.ts'
import { cutClosure, type ClosureCut } from './closure-cut.ts'
import { pathName, reachedFrom, referencesOf, referrersOf, wayTo } from './closure-walk.ts'
import { layOutGraph } from './graph-layout.ts'
import { GraphStage, type Emphasis, type NodeFace } from './graph-stage.tsx'
import type { NamedLayer } from './named-layer.ts'
import { layerTone, sizeTone, sizeWords, type Colouring } from './node-tone.ts'

export interface ClosureGraphProperties {
  readonly closure: readonly ViewedPath[]
  readonly layers: readonly NamedLayer[]
  readonly chosen: number | undefined
  readonly onChoose: (place: number | undefined) => void
}

// More than the last of them take seconds to lay out, and nobody reads them.
const amounts: readonly number[] = [30, 60, 120]
// As wide as a node, in letters of usual width.
const longestTitle = 14

/** The closure drawn: what nothing refers to at the top, and below each store path what it needs. */
export function ClosureGraph({ closure, layers, chosen, onChoose }: ClosureGraphProperties) {
  const [most, setMost] = useState(amounts[0]!)
  const [around, setAround] = useState<number | undefined>()
  const [colouring, setColouring] = useState<Colouring>('size')
  const [attended, setAttended] = useState<number | undefined>()
  const cut = useMemo(() => cutClosure(closure, most, around), [closure, most, around])
  const layout = useMemo(() => layOutGraph(cut), [cut])
  const layerOf = useMemo(() => layersByPlace(layers), [layers])
  const faceOf = useCallback(
    (place: number) => describeNode(closure[place]!, layerOf.get(place), colouring),
    [closure, layerOf, colouring],
  )
  const emphasised =
    attended ?? (chosen !== undefined && cut.places.includes(chosen) ? chosen : undefined)
  const emphasis = useMemo(() => emphasise(closure, cut, emphasised), [closure, cut, emphasised])
  return (
    <figure class="closure-graph">
      <div class="actions">
        <label class="choice">
          Draw
          <select value={most} onChange={(event) => setMost(Number(event.currentTarget.value))}>
            {amounts.map((amount) => (
              <option key={amount} value={amount}>
                at most {amount}
              </option>
            ))}
          </select>
        </label>
        <label class="choice">
          Colour
          <select
            value={colouring}
            onChange={(event) => setColouring(event.currentTarget.value as Colouring)}
          >
            <option value="size">by size</option>
            <option value="layer">by layer</option>
          </select>
        </label>
        {chosen !== undefined && (
          <button type="button" onClick={() => setAround(chosen === around ? undefined : chosen)}>
            {chosen === around
              ? 'The whole image'
              : `Only around ${printable(shorten(pathName(closure[chosen]!), 24))}`}
          </button>
        )}
      </div>
      <GraphStage
        layout={layout}
        faceOf={faceOf}
        chosen={chosen}
        emphasis={emphasis}
        onAttend={setAttended}
        onChoose={onChoose}
      />
      <figcaption>
        <p class="told">
          {emphasis === undefined
            ? 'Point at a store path to see what it needs and what needs it; choose it to keep that.'
            : describeEmphasis(closure, emphasis, layerOf)}
        </p>
        <p>{describeCut(closure, cut, around)}</p>
        {closure.some(({ asked }) => asked) && <p>Bold: what the image has by its name.</p>}
        {colouring === 'size' ? (
          <ul class="legend">
            {sizeWords.map((words, tone) => (
              <li key={words}>
                <span class={`swatch shade-${tone}`} />
                {words}
              </li>
            ))}
          </ul>
        ) : (
          <p>Nodes of one layer have its number and its colour; eight colours go round.</p>
        )}
      </figcaption>
    </figure>
  )
}

function layersByPlace(layers: readonly NamedLayer[]): ReadonlyMap<number, NamedLayer> {
  return new Map(layers.flatMap((layer) => layer.paths.map((place) => [place, layer] as const)))
}

function describeNode(
  path: ViewedPath,
  layer: NamedLayer | undefined,
  colouring: Colouring,
): NodeFace {
  const name = printable(pathName(path))
  const size = formatBytes(path.narSizeBytes)
  const inLayer = layer === undefined ? 'no layer' : `layer ${layer.index + 1}`
  const asked = path.asked === true
  const why = asked ? ', asked for by name' : ''
  const face = {
    title: shorten(name, longestTitle),
    description: `${name}, ${size}, ${inLayer}${why}`,
    isAsked: asked,
  }
  return colouring === 'size' || layer === undefined
    ? { ...face, detail: size, tone: `shade-${sizeTone(path.narSizeBytes)}` }
    : { ...face, detail: inLayer, tone: `tone-${layerTone(layer.index)}` }
}

function emphasise(
  closure: readonly ViewedPath[],
  { places }: ClosureCut,
  place: number | undefined,
): Emphasis | undefined {
  if (place === undefined) return undefined
  const needed = reachedFrom(referencesOf(closure), place)
  const needing = reachedFrom(referrersOf(closure), place)
  const drawn = new Set(places)
  return {
    place,
    related: new Set([...needed, ...needing]),
    way: wayTo(closure, place).filter((step) => drawn.has(step)),
  }
}

function describeEmphasis(
  closure: readonly ViewedPath[],
  { place }: Emphasis,
  layerOf: ReadonlyMap<number, NamedLayer>,
): string {
  const name = (place: number) => printable(pathName(closure[place]!))
  const needs = reachedFrom(referencesOf(closure), place).size - 1
  const needing = reachedFrom(referrersOf(closure), place).size - 1
  const layer = layerOf.get(place)
  const facts = [
    `${name(place)}, ${formatBytes(closure[place]!.narSizeBytes)}`,
    ...(layer === undefined ? [] : [`in layer ${layer.index + 1}`]),
    `needs ${needs} in all`,
    `needed by ${needing} in all`,
  ].join(', ')
  if (closure[place]!.asked) return `${facts}. It is here by its name.`
  const way = wayTo(closure, place)
  return way.length < 2
    ? `${facts}. Nothing else refers to it.`
    : `${facts}. Why it is here: ${way.map(name).join(' → ')}`
}

function describeCut(
  closure: readonly ViewedPath[],
  cut: ClosureCut,
  around: number | undefined,
): string {
  const { places, leftOut, leftOutBytes } = cut
  const subject =
    around === undefined
      ? 'What nothing refers to stands at the top; below it what it needs.'
      : `What needs ${printable(pathName(closure[around]!))} stands above it; below it what it needs.`
  const shown =
    leftOut === 0
      ? `All ${formatCount(places.length, 'store path')} are drawn.`
      : `${places.length} are drawn: ${describeFirst(closure, cut)}, and the largest of the rest; ${formatCount(leftOut, 'other')} (${formatBytes(leftOutBytes)}) ${leftOut === 1 ? 'is' : 'are'} left out; lines lead over ${leftOut === 1 ? 'it' : 'them'}.`
  return `${subject} ${shown} Needs that a longer way of lines says have no line of their own.`
}

/** What is drawn before anything larger. */
function describeFirst(closure: readonly ViewedPath[], { hasAllStarts }: ClosureCut): string {
  const isNoted = closure.some(({ asked }) => asked)
  const starts = isNoted ? 'what the image has by its name' : 'what nothing refers to'
  return hasAllStarts ? starts : `the largest of ${starts}`
}
