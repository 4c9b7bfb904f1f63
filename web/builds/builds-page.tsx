import { useState } from 'preact/hooks'
import { Heading } from '../page/heading.tsx'
import { BuildList } from './build-list.tsx'

// All that the service remembers.
const mostBuilds = 200

/** All builds that the service remembers, or those that failed. */
export function BuildsPage() {
  const [only, setOnly] = useState<'failed' | undefined>()
  return (
    <>
      <Heading title="Builds">Builds</Heading>
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          checked={only === 'failed'}
          onChange={(event) => setOnly(event.currentTarget.checked ? 'failed' : undefined)}
        />
        <span>Failures only</span>
      </label>
      <BuildList most={mostBuilds} only={only} />
    </>
  )
}
