import { useEffect, useRef } from 'preact/hooks'
import type { ViewedPath } from '#core/api/image-view.ts'
import { printable } from '../page/printable.ts'
import { formatBytes } from '../page/quantities.ts'
import { formatImagePath } from '../page/route.ts'
import { pathName } from './closure-walk.ts'
import type { NamedLayer } from './named-layer.ts'

interface Properties {
  readonly layers: readonly NamedLayer[]
  readonly closure: readonly ViewedPath[]
  /** Whether it is known which other images have the layers. */
  readonly isCounted: boolean
  readonly chosen: number | undefined
  readonly onChoose: (index: number | undefined) => void
}

/** The layers, the largest first; one at a time shows what is in it. */
export function LayerTable({ layers, closure, isCounted, chosen, onChoose }: Properties) {
  const sorted = layers.toSorted((a, b) => b.sizeBytes - a.sizeBytes)
  const opened = useRef<HTMLTableRowElement>(null)
  useEffect(() => opened.current?.scrollIntoView({ block: 'nearest' }), [chosen])
  return (
    <div class="table tall" tabIndex={0} role="region" aria-label="Table of the layers">
      <table>
        <thead>
          <tr>
            <th scope="col">Layer</th>
            <th scope="col" class="number">
              Compressed
            </th>
            <th scope="col" class="number spare">
              Unpacked
            </th>
            <th scope="col" class="number">
              In other images
            </th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((layer) => {
            const isChosen = layer.index === chosen
            return (
              <>
                <tr key={layer.index} class={isChosen ? 'chosen' : ''}>
                  <th scope="row">
                    <button
                      type="button"
                      class="plain"
                      aria-expanded={isChosen}
                      onClick={() => onChoose(isChosen ? undefined : layer.index)}
                    >
                      {printable(layer.title)}
                    </button>
                  </th>
                  <td class="number">{formatBytes(layer.sizeBytes)}</td>
                  <td class="number spare">
                    {layer.narSizeBytes === undefined ? '' : formatBytes(layer.narSizeBytes)}
                  </td>
                  <td class="number">{isCounted ? layer.sharedCount : '…'}</td>
                </tr>
                {isChosen && (
                  <tr ref={opened} class="opened">
                    <td colSpan={4}>
                      <LayerContent layer={layer} closure={closure} isCounted={isCounted} />
                    </td>
                  </tr>
                )}
              </>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function LayerContent({
  layer,
  closure,
  isCounted,
}: {
  readonly layer: NamedLayer
  readonly closure: readonly ViewedPath[]
  readonly isCounted: boolean
}) {
  const { digest, paths, sharedWith, sharedCount, index } = layer
  const unnamed = sharedCount - sharedWith.length
  return (
    <>
      <p>
        Number {index + 1} from the bottom, <code class="digest">{digest}</code>
      </p>
      <ul class="paths">
        {paths
          .map((place) => closure[place])
          .filter((path) => path !== undefined)
          .toSorted((a, b) => b.narSizeBytes - a.narSizeBytes)
          .map((path) => (
            <li key={path.path}>
              <span>{printable(pathName(path))}</span> {formatBytes(path.narSizeBytes)}
            </li>
          ))}
      </ul>
      {!isCounted ? (
        <p class="hint">Which other images have it is being counted.</p>
      ) : sharedCount === 0 ? (
        <p class="hint">No other stored image has this layer.</p>
      ) : (
        <p>
          Also in{' '}
          {sharedWith.map((name, index) => (
            <>
              {index > 0 && ', '}
              <a href={formatImagePath(name)}>
                <bdi>{printable(name)}</bdi>
              </a>
            </>
          ))}
          {unnamed > 0 && `${sharedWith.length > 0 ? ' and ' : ''}${unnamed} more`}
        </p>
      )}
    </>
  )
}
