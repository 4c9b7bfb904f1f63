import { useMemo } from 'preact/hooks'
import type { ViewedPath } from '#core/api/image-view.ts'
import { printable } from '../page/printable.ts'
import { formatBytes } from '../page/quantities.ts'
import { pathName, referencesOf, referrersOf, wayTo } from './closure-walk.ts'

interface Properties {
  readonly closure: readonly ViewedPath[]
  readonly place: number
  readonly onChoose: (place: number) => void
}

/** Who refers to a store path, and what it refers to; every name leads on. */
export function Neighbourhood({ closure, place, onChoose }: Properties) {
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
      {path.asked && <p>In the image by its name</p>}
      {way.length > 1 && (
        <p>
          In the image because of{' '}
          {way.map((step) => printable(pathName(closure[step]!))).join(' → ')}
        </p>
      )}
      <div class="graph">
        {column('Needed by', referrers[place]!)}
        {column('Needs', referencesOf(closure)[place]!)}
      </div>
    </section>
  )
}
