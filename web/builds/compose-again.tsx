import type { ComponentChildren } from 'preact'
import type { ServiceInfo } from '#core/api/service-info.ts'
import { compositionOf, formatQuery } from '../compose/composition.ts'

interface Properties {
  readonly name: string
  readonly tag: string
  readonly service: ServiceInfo | undefined
  readonly children: ComponentChildren
}

/** A way to where the same image is put together again. */
export function ComposeAgain({ name, tag, service, children }: Properties) {
  const sources = (service?.sources ?? []).map((source) => source.name)
  const query = formatQuery({ ...compositionOf(name, sources), tag })
  return (
    <a class="button" href={`/?${query}`}>
      {children}
    </a>
  )
}
