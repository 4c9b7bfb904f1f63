import { useMemo, useState } from 'preact/hooks'
import type { ImageView } from '#core/api/image-view.ts'
import type { ServiceInfo } from '#core/api/service-info.ts'
import { passes, useAnswer } from '../api/use-answer.ts'
import { CommandTabs } from '../compose/command-tabs.tsx'
import {
  compositionOf,
  findMalformed,
  formatQuery,
  type Composition,
} from '../compose/composition.ts'
import { Heading } from '../page/heading.tsx'
import { endSentence } from '../page/end-sentence.ts'
import { printable } from '../page/printable.ts'
import { Revision } from '../page/revision.tsx'
import { formatBytes, formatCount } from '../page/quantities.ts'
import { formatImagePath } from '../page/route.ts'
import { Addition } from './addition.tsx'
import { Closure } from './closure.tsx'
import { LayerTable } from './layer-table.tsx'
import { LayerTreemap } from './layer-treemap.tsx'
import { nameLayers } from './named-layer.ts'

// Reading all images of a storage takes from a second to minutes.
const countingPollMs = 3_000

interface Properties {
  readonly name: string
  readonly tag: string
  /** The one that the service prefers when it is left out. */
  readonly platform: string | undefined
  readonly service: ServiceInfo | undefined
}

/** A stored image: its layers, who shares them, and what is in it. */
export function ImagePage({ name, tag, platform, service }: Properties) {
  const malformed = findMalformed(name, tag)
  const query = new URLSearchParams({ name, tag, ...(platform !== undefined && { platform }) })
  const answer = useAnswer<ImageView>(
    malformed === undefined ? `/api/v1/image?${query}` : undefined,
    { againAfterMs: ({ sharing }) => (sharing === 'counting' ? countingPollMs : undefined) },
  )
  const sources = (service?.sources ?? []).map((source) => source.name)
  const composition = { ...compositionOf(name, sources), tag }
  const subject = { name, tag, platform, composition }
  return (
    <>
      <Heading title={`Image ${printable(name)}`}>
        Image <bdi>{printable(name)}</bdi>
        {tag !== 'latest' && <span class="tag">:{printable(tag)}</span>}
      </Heading>
      {malformed !== undefined && <Missing {...subject} message={malformed} />}
      {malformed === undefined && answer.kind === 'loading' && <p class="hint">Loading …</p>}
      {answer.kind === 'failed' && (
        <Missing {...subject} message={answer.message} status={answer.status} />
      )}
      {answer.kind === 'loaded' && <Shown image={answer.value} composition={composition} />}
    </>
  )
}

interface MissingProperties {
  readonly name: string
  readonly tag: string
  readonly platform: string | undefined
  readonly composition: Composition
  readonly message: string
  /** Of the service's refusal; `undefined` for what it need not be asked. */
  readonly status?: number
}

/** Why there is nothing to look at, and where to go on. */
function Missing({ name, tag, platform, composition, message, status }: MissingProperties) {
  if (status !== undefined && passes(status))
    return <p class="problem">{printable(endSentence(message))} Trying again.</p>
  const other = status === undefined ? undefined : otherImage(name, tag, platform)
  return (
    <>
      <p class={status === 404 ? 'empty' : 'problem'}>{printable(message)}</p>
      <p class="actions">
        {other !== undefined && (
          <a class="button" href={other.path}>
            {other.words}
          </a>
        )}
        <a class={other === undefined ? 'button' : ''} href={`/?${formatQuery(composition)}`}>
          {status === 404 ? 'Compose this image' : 'Change what is in it'}
        </a>
      </p>
    </>
  )
}

/** The image that may be there instead: of any platform, or of the usual tag. */
function otherImage(name: string, tag: string, platform: string | undefined) {
  if (platform !== undefined)
    return { path: formatImagePath(name, tag), words: 'Look at it for any platform' }
  if (tag !== 'latest') return { path: formatImagePath(name), words: 'Look at it as latest' }
  return undefined
}

interface ShownProperties {
  readonly image: ImageView
  /** What its name asks for. */
  readonly composition: Composition
}

function Shown({ image, composition }: ShownProperties) {
  const [chosen, setChosen] = useState<number | undefined>()
  const layers = useMemo(() => nameLayers(image), [image])
  // What is said of other images is asked again; the closure of a digest stays as it is.
  const closure = useMemo(() => image.closure, [image.digest])
  const isCounted = image.sharing === 'known'
  const shared = layers.filter(({ sharedCount }) => sharedCount > 0)
  const sharedBytes = shared.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return (
    <>
      <p class="facts">
        <span>{formatBytes(image.sizeBytes)} compressed</span>
        <span>{formatCount(layers.length, 'layer')}</span>
        {closure !== undefined && <span>{formatCount(closure.length, 'store path')}</span>}
        <span>
          packages at <Revision revision={image.revision} />
        </span>
      </p>
      <Platforms image={image} />
      <p class="facts">
        <code class="digest">{image.digest}</code>
      </p>
      <CommandTabs components={image.name.split('/')} tag={image.tag} />
      <section aria-labelledby="layers">
        <h2 id="layers">Layers</h2>
        <p class="lead">{describeSharing(image, shared.length, sharedBytes)}</p>
        <LayerTreemap layers={layers} isCounted={isCounted} chosen={chosen} onChoose={setChosen} />
        <LayerTable
          layers={layers}
          closure={closure ?? []}
          isCounted={isCounted}
          chosen={chosen}
          onChoose={setChosen}
        />
      </section>
      <section aria-labelledby="addition">
        <h2 id="addition">Add to it</h2>
        <Addition image={image} composition={composition} />
      </section>
      <section aria-labelledby="closure">
        <h2 id="closure">What is in it, and why</h2>
        {closure === undefined ? (
          <p class="hint">An older version of the service made this image and did not note it.</p>
        ) : (
          <Closure closure={closure} layers={layers} />
        )}
      </section>
    </>
  )
}

function describeSharing({ layers, sharing }: ImageView, count: number, bytes: number): string {
  if (sharing === 'counting') return 'Which other images have the same layers is being counted.'
  if (count === 0) return 'No other stored image has layers of this one.'
  const part = `${count} of ${formatCount(layers.length, 'layer')}, ${formatBytes(bytes)}`
  return `Shared with other images: ${part}. Whoever has one of those downloads only the rest.`
}

function Platforms({ image }: { readonly image: ImageView }) {
  const { name, tag, platform, platforms } = image
  if (platforms.length < 2) return <p class="facts">{platform}</p>
  return (
    <nav class="facts" aria-label="Platforms of the image">
      {platforms.map((other) => (
        <a
          key={other}
          href={formatImagePath(name, tag, other)}
          aria-current={other === platform ? 'true' : undefined}
        >
          {other}
        </a>
      ))}
    </nav>
  )
}
