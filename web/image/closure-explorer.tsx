import { useMemo, useState } from 'preact/hooks'
import type { ViewedPath } from '#core/api/image-view.ts'
import { printable } from '../page/printable.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'
import { pathName, referrersOf, wayTo } from './closure-walk.ts'

/** Everything that is in an image, and why: the graph around one store path at a time. */
export function ClosureExplorer({ closure }: { readonly closure: readonly ViewedPath[] }) {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState<number | undefined>()
  const words = text.trim().toLowerCase()
  const places = [...closure.keys()]
    .filter((place) => closure[place]!.path.toLowerCase().includes(words))
    .toSorted((a, b) => closure[b]!.narSizeBytes - closure[a]!.narSizeBytes)
  return (
    <div class="closure">
      {chosen !== undefined && (
        <Neighbourhood closure={closure} place={chosen} onChoose={setChosen} />
      )}
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
                      onClick={() => setChosen(place)}
                    >
                      {printable(pathName(path))}
                    </button>
                  </th>
                  <td class="number">{formatBytes(path.narSizeBytes)}</td>
                  <td class="number">{otherReferences(path, place).length}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </div>
  )
}

interface NeighbourhoodProperties {
  readonly closure: readonly ViewedPath[]
  readonly place: number
  readonly onChoose: (place: number) => void
}

/** Who refers to a store path, and what it refers to; every name leads on. */
function Neighbourhood({ closure, place, onChoose }: NeighbourhoodProperties) {
  const referrers = useMemo(() => referrersOf(closure), [closure])
  const path = closure[place]!
  const way = wayTo(closure, place)
  const column = (title: string, places: readonly number[]) => (
    <div>
      <h4>
        {title} ({places.length})
      </h4>
      <ul>
        {places.map((place) => (
          <li key={place}>
            <button type="button" class="plain" onClick={() => onChoose(place)}>
              {printable(pathName(closure[place]!))}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
  return (
    <section class="neighbourhood" aria-label="References">
      <h3>{printable(pathName(path))}</h3>
      <p>
        <code class="digest">{printable(path.path)}</code>, {formatBytes(path.narSizeBytes)}
      </p>
      {way.length > 1 && (
        <p>
          In the image because of{' '}
          {way.map((step) => printable(pathName(closure[step]!))).join(' → ')}
        </p>
      )}
      <div class="graph">
        {column('Needed by', referrers[place]!)}
        {column('Needs', otherReferences(path, place))}
      </div>
    </section>
  )
}

function otherReferences({ references }: ViewedPath, place: number): readonly number[] {
  return references.filter((reference) => reference !== place)
}
