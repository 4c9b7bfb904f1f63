import { useState } from 'preact/hooks'
import type { AdditionView, ImageView } from '#core/api/image-view.ts'
import { metaPackages, shellPackages } from '#core/request/image-request.ts'
import { useAnswer } from '../api/use-answer.ts'
import { CommandTabs } from '../compose/command-tabs.tsx'
import { addPackage, formatQuery, type Composition } from '../compose/composition.ts'
import { PackageSearch } from '../compose/package-search.tsx'
import { printable } from '../page/printable.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'

interface Properties {
  readonly image: ImageView
  /** What the image's name asks for. */
  readonly composition: Composition
}

/** What the image would become with one more package. */
export function Addition({ image, composition }: Properties) {
  const [added, setAdded] = useState<string | undefined>()
  const { source, shell, packages } = composition
  return (
    <>
      <PackageSearch
        label="What would change with one more package?"
        source={source}
        chosen={shell ? [...shellPackages, ...packages] : packages}
        // What was said of another package is not what is asked now.
        onType={() => setAdded(undefined)}
        onAdd={setAdded}
      />
      {added !== undefined &&
        (metaPackages.includes(added) ? (
          <Choice chosen={added} composition={composition} />
        ) : (
          <Change key={added} image={image} added={added} />
        ))}
    </>
  )
}

interface ChoiceProperties {
  readonly chosen: string
  readonly composition: Composition
}

/** Meta-packages come first in a name: behind its packages they would mean packages of that name. */
function Choice({ chosen, composition }: ChoiceProperties) {
  return (
    <p role="status">
      <strong>{chosen}</strong> is a choice for the whole image and no package.{' '}
      <a href={`/?${formatQuery(addPackage(composition, chosen))}`}>Compose the image with it</a>
    </p>
  )
}

function Change({ image, added }: { readonly image: ImageView; readonly added: string }) {
  const query = new URLSearchParams({ name: image.name, tag: image.tag, add: added })
  const answer = useAnswer<AdditionView>(`/api/v1/image/addition?${query}`)
  if (answer.kind === 'loading') return <p class="hint">Looking what {added} would bring …</p>
  if (answer.kind === 'failed') return <p class="problem">{printable(answer.message)}</p>
  const { name, status, added: paths = [], keptLayers, newLayers } = answer.value
  const bytes = paths.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0)
  return (
    <div class="change" role="status">
      {status === 'unknown' ? (
        <p>
          <strong>{added}</strong> is not on the service’s machine yet, so what it needs is known
          only when it has been built.
        </p>
      ) : (
        <>
          <p>
            <strong>{added}</strong> would bring {formatCount(paths.length, 'store path')},{' '}
            {formatBytes(bytes)} unpacked.
            {keptLayers !== undefined && newLayers !== undefined && (
              <>
                {' '}
                {formatCount(keptLayers, 'layer')} stay as they are, {newLayers} are new.
              </>
            )}
          </p>
          <ul class="paths">
            {paths.map(({ path, narSizeBytes }) => (
              <li key={path}>
                <span>{printable(path.slice(path.indexOf('-') + 1))}</span>{' '}
                {formatBytes(narSizeBytes)}
              </li>
            ))}
          </ul>
        </>
      )}
      <CommandTabs components={name.split('/')} tag={image.tag} />
    </div>
  )
}
