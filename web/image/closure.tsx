import { useEffect, useState } from 'preact/hooks'
import type { ViewedPath } from '#core/api/image-view.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'
import { ClosureList } from './closure-list.tsx'
import type { ClosureGraph, ClosureGraphProperties } from './closure-graph.tsx'
import type { NamedLayer } from './named-layer.ts'
import { Neighbourhood } from './neighbourhood.tsx'

interface Properties {
  readonly closure: readonly ViewedPath[]
  readonly layers: readonly NamedLayer[]
}

/** What is in an image, as a list and as a graph. Both come on demand: there are up to some thousand store paths. */
export function Closure({ closure, layers }: Properties) {
  const [isListed, setListed] = useState(false)
  const [isDrawn, setDrawn] = useState(false)
  const [chosen, setChosen] = useState<number | undefined>()
  const bytes = closure.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0)
  return (
    <>
      <p class="actions">
        <button type="button" aria-expanded={isListed} onClick={() => setListed(!isListed)}>
          {isListed
            ? 'Hide the list'
            : `Show all ${formatCount(closure.length, 'store path')}, ${formatBytes(bytes)} unpacked`}
        </button>
        <button type="button" aria-expanded={isDrawn} onClick={() => setDrawn(!isDrawn)}>
          {isDrawn ? 'Hide the graph' : 'Draw the graph'}
        </button>
      </p>
      {isDrawn && (
        <LoadedGraph closure={closure} layers={layers} chosen={chosen} onChoose={setChosen} />
      )}
      {chosen !== undefined && (
        <Neighbourhood closure={closure} place={chosen} onChoose={setChosen} />
      )}
      {isListed && <ClosureList closure={closure} chosen={chosen} onChoose={setChosen} />}
    </>
  )
}

type Loading =
  | { readonly kind: 'loading' | 'failed' }
  | { readonly kind: 'loaded'; readonly ClosureGraph: typeof ClosureGraph }

/** Loaded when it is asked for: the layout is as large as the rest of the page. */
function LoadedGraph(properties: ClosureGraphProperties) {
  const [loading, setLoading] = useState<Loading>({ kind: 'loading' })
  useEffect(() => {
    import('./closure-graph.tsx').then(
      ({ ClosureGraph }) => setLoading({ kind: 'loaded', ClosureGraph }),
      () => setLoading({ kind: 'failed' }),
    )
  }, [])
  switch (loading.kind) {
    case 'loading':
      return <p class="hint">Drawing …</p>
    case 'failed':
      return (
        <p role="alert" class="problem">
          The part of this page that draws could not be loaded: the service does not answer, or has
          a newer page. Load the page again.
        </p>
      )
    case 'loaded':
      return <loading.ClosureGraph {...properties} />
  }
}
