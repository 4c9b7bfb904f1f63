import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { ServedSource, ServiceInfo } from '#core/api/service-info.ts'
import { useAnswer, type Answer } from '../api/use-answer.ts'
import { BuildPage } from '../builds/build-page.tsx'
import { BuildsPage } from '../builds/builds-page.tsx'
import { ComposePage } from '../compose/compose-page.tsx'
import { ImagePage } from '../image/image-page.tsx'
import { Heading } from './heading.tsx'
import { useVisit } from './location.ts'
import { printable } from './printable.ts'
import { Revision } from './revision.tsx'
import { parseRoute } from './route.ts'
import { applyTheme, followTheme, keepTheme, readTheme, themes, type Theme } from './theme.ts'

/** Everything: what stands around the view, and the view that the address names. */
export function Page() {
  const { address, number } = useVisit()
  const content = useRef<HTMLElement>(null)
  const service = useAnswer<ServiceInfo>('/api/v1/service')
  return (
    <>
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault()
          content.current?.focus()
        }}
      >
        Skip to the content
      </a>
      <header>
        <a class="brand" href="/">
          <img src="/icon.svg" alt="" width="28" height="28" />
          Nixery
        </a>
        <nav aria-label="Main">
          <a href="/" aria-current={isAt(address, '/')}>
            Compose
          </a>
          <a href="/builds" aria-current={isAt(address, '/builds')}>
            Builds
          </a>
          <a href="/docs/">Documentation</a>
        </nav>
        <ThemeChoice />
      </header>
      <main id="content" ref={content} tabIndex={-1}>
        <View key={number} address={address} service={service} />
      </main>
      <Footer service={service} />
    </>
  )
}

interface ViewProperties {
  readonly address: string
  readonly service: Answer<ServiceInfo>
}

function View({ address, service }: ViewProperties) {
  const { pathname, searchParams } = new URL(address, location.origin)
  const route = parseRoute(pathname)
  const info = service.kind === 'loaded' ? service.value : undefined
  switch (route.kind) {
    case 'compose':
      return <ComposePage service={info} />
    case 'builds':
      return <BuildsPage />
    case 'build':
      return <BuildPage id={route.id} service={info} />
    case 'image':
      return (
        <ImagePage
          name={route.name}
          tag={searchParams.get('tag') ?? 'latest'}
          platform={searchParams.get('platform') ?? undefined}
          service={info}
        />
      )
    case 'unknown':
      return (
        <>
          <Heading title="Not found">There is no such page</Heading>
          <p>
            <a href="/">Compose an image</a>, look at the <a href="/builds">recent builds</a>, or
            read the <a href="/docs/">documentation</a>.
          </p>
        </>
      )
  }
}

function isAt(address: string, path: string): 'page' | undefined {
  return new URL(address, location.origin).pathname === path ? 'page' : undefined
}

function ThemeChoice() {
  const [theme, setTheme] = useState(readTheme)
  useEffect(() => followTheme(setTheme), [])
  // Before the browser paints: colours that change afterwards flash.
  useLayoutEffect(() => applyTheme(theme), [theme])
  const words: Record<Theme, string> = { system: 'Auto', light: 'Light', dark: 'Dark' }
  return (
    <label class="theme">
      <span class="unseen">Colours</span>
      <select
        value={theme}
        onChange={(event) => {
          const chosen = event.currentTarget.value as Theme
          setTheme(chosen)
          keepTheme(chosen)
        }}
      >
        {themes.map((theme) => (
          <option key={theme} value={theme}>
            {words[theme]}
          </option>
        ))}
      </select>
    </label>
  )
}

function isTold({ origin, revision }: ServedSource): boolean {
  return origin !== undefined || revision !== undefined
}

function Footer({ service }: { readonly service: Answer<ServiceInfo> }) {
  return (
    <footer>
      {service.kind === 'loaded' && (
        <>
          <span>Nixery {printable(service.value.version)}</span>
          {service.value.sources.filter(isTold).map(({ name, origin, revision }) => (
            <span key={name}>
              {name === '' ? 'Packages' : printable(name)}
              {origin !== undefined && <> of {printable(origin)}</>}
              {revision !== undefined && (
                <>
                  {' '}
                  at <Revision revision={revision} />
                </>
              )}
            </span>
          ))}
        </>
      )}
      {service.kind === 'failed' && <span class="bad">{printable(service.message)}</span>}
      <nav aria-label="Documentation">
        <a href="/docs/">Documentation</a>
        <a href="/docs/naming.html">Names</a>
        <a href="/api/v1/openapi.json">API</a>
      </nav>
    </footer>
  )
}
