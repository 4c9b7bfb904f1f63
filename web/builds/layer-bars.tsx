import type { LayerProgress } from '#core/api/build-progress.ts'
import { printable } from '../page/printable.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'
import {
  describeLayer,
  fractionDone,
  layerRows,
  sumLayers,
  type NumberedLayer,
  type ShownState,
} from './layer-rows.ts'

const stateWords: Record<ShownState, string> = {
  waiting: 'waiting',
  packing: 'packing',
  packed: 'packed',
  reused: 'was there',
  unpacked: 'not packed',
}

interface Properties {
  readonly layers: readonly LayerProgress[]
  /** Whether the build is over: nothing is waited for or packed any more. */
  readonly isEnded: boolean
}

/** How far the layers of an image are: a bar for each large one, one for all small ones. */
export function LayerBars({ layers, isEnded }: Properties) {
  const { large, small } = layerRows(layers, isEnded)
  return (
    <>
      <ul class="layers">
        {large.map((layer) => (
          <li key={layer.index} class={layer.state}>
            <span class="name">{printable(describeLayer(layer))}</span>
            <span class="size">{describeSize(layer)}</span>
            <progress aria-label={printable(describeLayer(layer))} value={fractionDone(layer)} />
          </li>
        ))}
      </ul>
      {small.length > 0 && <SmallLayers layers={small} />}
    </>
  )
}

function SmallLayers({ layers }: { readonly layers: readonly NumberedLayer[] }) {
  const { done, allBytes } = sumLayers(layers)
  return (
    <div class="small-layers">
      <p>
        {formatCount(layers.length, 'smaller layer')}, {formatBytes(allBytes)} together: {done} done
      </p>
      <div class="cells" aria-hidden="true">
        {layers.map(({ index, state, ...layer }) => (
          <span key={index} class={state} title={`${describeLayer(layer)}: ${stateWords[state]}`} />
        ))}
      </div>
      <details>
        <summary>List them</summary>
        <ul class="layers plain">
          {layers.map((layer) => (
            <li key={layer.index} class={layer.state}>
              <span class="name">{printable(describeLayer(layer))}</span>
              <span class="size">{describeSize(layer)}</span>
            </li>
          ))}
        </ul>
      </details>
    </div>
  )
}

function describeSize({ state, narSizeBytes, sizeBytes }: NumberedLayer): string {
  const size = sizeBytes === undefined ? formatBytes(narSizeBytes) : formatBytes(sizeBytes)
  return `${size}, ${stateWords[state]}`
}
