import { useEffect, useId, useState } from 'preact/hooks'
import type { ServiceInfo } from '#core/api/service-info.ts'
import { BuildList } from '../builds/build-list.tsx'
import { placeOrder } from '../api/placed-orders.ts'
import { RequestFailure } from '../api/request-json.ts'
import { Heading } from '../page/heading.tsx'
import { navigate, replaceQuery } from '../page/location.ts'
import { printable } from '../page/printable.ts'
import { formatBuildPath, formatImagePath } from '../page/route.ts'
import { shorten } from '../page/shorten.ts'
import { CommandTabs } from './command-tabs.tsx'
import {
  addPackage,
  componentsOf,
  findObstacle,
  formatQuery,
  isTag,
  parseQuery,
  removePackage,
  type Composition,
} from './composition.ts'
import { PackageSearch } from './package-search.tsx'

/** Puts an image together and shows how to pull it. */
export function ComposePage({ service }: { readonly service: ServiceInfo | undefined }) {
  const [read] = useState(() => parseQuery(location.search))
  const [composition, setComposition] = useState(read.composition)
  const change = (changes: Partial<Composition>) => setComposition({ ...composition, ...changes })
  useEffect(() => replaceQuery(formatQuery(composition)), [composition])

  return (
    <>
      <Heading title="Compose an image">An image is its name: choose what is in it</Heading>
      <p class="lead">
        Nothing has to be prepared. Pull the name, and the image is built while you wait.
      </p>
      <div class="columns">
        <section class="card" aria-label="Packages of the image">
          <PackageSearch
            label="Search packages"
            source={composition.source}
            chosen={composition.packages}
            onAdd={(name) => setComposition(addPackage(composition, name))}
          />
          <Chosen
            names={composition.packages}
            components={componentsOf(composition)}
            onRemove={(name) => setComposition(removePackage(composition, name))}
          />
          <LeftOut parts={read.leftOut} />
          <Choices composition={composition} service={service} onChange={change} />
        </section>
        <section class="card" aria-labelledby="pull">
          <h2 id="pull">Pull it</h2>
          <Pull composition={composition} />
        </section>
      </div>
      <section aria-labelledby="recent">
        <h2 id="recent">Recent builds</h2>
        <BuildList most={8} />
        <p>
          <a href="/builds">All builds</a>
        </p>
      </section>
    </>
  )
}

interface ChosenProperties {
  readonly names: readonly string[]
  /** With what meta-packages choose: typing one of those adds no package. */
  readonly components: readonly string[]
  readonly onRemove: (name: string) => void
}

function Chosen({ names, components, onRemove }: ChosenProperties) {
  return (
    <div class="chosen">
      <h2>In the image</h2>
      {names.length === 0 ? (
        <p class="hint">No package yet.</p>
      ) : (
        <ul class="chips">
          {names.map((name) => (
            <li key={name}>
              <bdi>{printable(name)}</bdi>
              <button type="button" aria-label={`Remove ${name}`} onClick={() => onRemove(name)}>
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <p role="status" class="unseen">
        {components.length === 0 ? '' : `In the image: ${components.join(', ')}`}
      </p>
    </div>
  )
}

// Enough to recognise them by; an address holds thousands of characters.
const mostLeftOut = 8
const longestLeftOut = 40

/** What the address asks for and no image can have. */
function LeftOut({ parts }: { readonly parts: readonly string[] }) {
  if (parts.length === 0) return null
  const more = parts.length - mostLeftOut
  return (
    <p role="alert" class="problem">
      Left out, because no image name can hold it:{' '}
      {parts.slice(0, mostLeftOut).map((part, index) => (
        <>
          {index > 0 && ', '}
          <code>{printable(shorten(part, longestLeftOut))}</code>
        </>
      ))}
      {more > 0 && ` and ${more} more`}
    </p>
  )
}

interface ChoicesProperties {
  readonly composition: Composition
  readonly service: ServiceInfo | undefined
  readonly onChange: (changes: Partial<Composition>) => void
}

function Choices({ composition, service, onChange }: ChoicesProperties) {
  const sources = service?.sources ?? []
  return (
    <div class="choices">
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          checked={composition.shell}
          onChange={(event) => onChange({ shell: event.currentTarget.checked })}
        />
        <span>
          <code>shell</code>
          <span class="hint"> bash, coreutils, moreutils and nano</span>
        </span>
      </label>
      <label class="choice">
        Platform
        <select
          value={composition.platform}
          onChange={(event) =>
            onChange({ platform: event.currentTarget.value as Composition['platform'] })
          }
        >
          <option value="">{describePlatforms(service)}</option>
          <option value="amd64">amd64</option>
          <option value="arm64">arm64</option>
        </select>
      </label>
      {sources.length > 1 && (
        <label class="choice">
          Source
          <select
            value={composition.source}
            onChange={(event) => onChange({ source: event.currentTarget.value })}
          >
            {sources.map(({ name }) => (
              <option key={name} value={name}>
                {name || 'usual'}
              </option>
            ))}
          </select>
        </label>
      )}
      <TagChoice tag={composition.tag} onChange={(tag) => onChange({ tag })} />
    </div>
  )
}

function describePlatforms(service: ServiceInfo | undefined): string {
  const names = (service?.platforms ?? []).map((platform) => platform.replace('linux/', ''))
  if (names.length === 0) return 'usual'
  return names.length === 1 ? `usual (${names[0]})` : `all (${names.join(', ')})`
}

interface TagProperties {
  readonly tag: string
  readonly onChange: (tag: string) => void
}

function TagChoice({ tag, onChange }: TagProperties) {
  const [text, setText] = useState(tag)
  const id = useId()
  const isWrong = !isTag(tag)
  return (
    <div>
      <label class="choice">
        Tag
        <input
          type="text"
          spellcheck={false}
          autocapitalize="none"
          aria-invalid={isWrong}
          aria-describedby={isWrong ? id : undefined}
          title="latest, or what the package source serves: a branch, a tag or a commit"
          value={text}
          onInput={(event) => {
            const typed = event.currentTarget.value
            setText(typed)
            onChange(typed || 'latest')
          }}
        />
      </label>
      <p id={id} role="alert" class="hint bad" hidden={!isWrong}>
        {isWrong &&
          'This is no tag: up to 128 letters, digits, and . _ - but neither . nor - at its start.'}
      </p>
    </div>
  )
}

function Pull({ composition }: { readonly composition: Composition }) {
  const [order, setOrder] = useState<{ readonly waits: boolean; readonly message: string }>({
    waits: false,
    message: '',
  })
  const components = componentsOf(composition)
  const { tag } = composition
  const obstacle = findObstacle(composition)
  const name = components.join('/')

  async function build(): Promise<void> {
    setOrder({ waits: true, message: '' })
    try {
      const { order } = await placeOrder({ name, tag })
      const [first] = order.builds
      if (order.status === 'served') navigate(formatImagePath(name, tag))
      else if (first !== undefined) navigate(formatBuildPath(first))
      else
        setOrder({ waits: false, message: order.message ?? 'The order was not taken. Try again.' })
    } catch (error) {
      const message = error instanceof RequestFailure ? error.message : String(error)
      setOrder({ waits: false, message })
    }
  }

  if (obstacle !== undefined)
    return (
      <>
        <p class="hint">{obstacle}</p>
        <button type="button" class="main" disabled>
          Build it now
        </button>
      </>
    )
  return (
    <>
      <CommandTabs components={components} tag={tag} />
      <div class="actions">
        <button type="button" class="main" disabled={order.waits} onClick={() => void build()}>
          {order.waits ? 'Placing the order …' : 'Build it now'}
        </button>
        <a href={formatImagePath(name, tag)}>Look at the image</a>
      </div>
      <p class="hint">Building now is optional: the first pull does the same and waits as long.</p>
      <p role="alert" class="problem" hidden={order.message === ''}>
        {printable(order.message)}
      </p>
    </>
  )
}
