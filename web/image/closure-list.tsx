import { useMemo, useState } from 'preact/hooks'
import type { ViewedPath } from '#core/api/image-view.ts'
import { printable } from '../page/printable.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'
import { pathName, referencesOf } from './closure-walk.ts'

interface Properties {
  readonly closure: readonly ViewedPath[]
  /** A place in the closure. */
  readonly chosen: number | undefined
  readonly onChoose: (place: number) => void
}

/** Everything that is in an image, as a list. */
export function ClosureList({ closure, chosen, onChoose }: Properties) {
  const [text, setText] = useState('')
  const references = useMemo(() => referencesOf(closure), [closure])
  const words = text.trim().toLowerCase()
  const places = [...closure.keys()]
    .filter((place) => closure[place]!.path.toLowerCase().includes(words))
    .toSorted((a, b) => closure[b]!.narSizeBytes - closure[a]!.narSizeBytes)
  return (
    <div class="closure">
      <label class="choice">
        Filter
        <input
          type="text"
          value={text}
          spellcheck={false}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <p role="status" class="hint">
        {formatCount(places.length, 'store path')}
      </p>
      <div class="table tall" tabIndex={0} role="region" aria-label="Store paths">
        <table>
          <thead>
            <tr>
              <th scope="col">Store path</th>
              <th scope="col" class="number">
                Size
              </th>
              <th scope="col" class="number">
                Refers to
              </th>
            </tr>
          </thead>
          <tbody>
            {places.map((place) => {
              const path = closure[place]!
              return (
                <tr key={path.path} class={place === chosen ? 'chosen' : ''}>
                  <th scope="row">
                    <button
                      type="button"
                      class="plain"
                      title={path.path}
                      onClick={() => onChoose(place)}
                    >
                      {printable(pathName(path))}
                    </button>
                  </th>
                  <td class="number">{formatBytes(path.narSizeBytes)}</td>
                  <td class="number">{references[place]!.length}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </div>
  )
}
