import type { ImageOrder } from '#core/api/image-order.ts'
import type { ServiceInfo } from '#core/api/service-info.ts'
import { Heading } from '../page/heading.tsx'
import { printable } from '../page/printable.ts'
import { formatImagePath } from '../page/route.ts'
import { ComposeAgain } from './compose-again.tsx'
import type { WatchedBuild } from './follow-build.ts'

interface Properties {
  readonly id: string
  readonly refusal: string | undefined
  readonly connection: WatchedBuild['connection']
  readonly order: ImageOrder | undefined
  readonly service: ServiceInfo | undefined
}

/** A build of which nothing is known yet, or nothing any more. */
export function UnwatchedBuild({ id, refusal, connection, order, service }: Properties) {
  return (
    <>
      <Heading title="Build">
        Build <code>{printable(id)}</code>
      </Heading>
      {refusal !== undefined && (
        <>
          <p class="problem">{printable(refusal)}</p>
          {order !== undefined && (
            <p class="actions">
              <ComposeAgain name={order.name} tag={order.tag} service={service}>
                Order {printable(order.name)} again
              </ComposeAgain>
              <a href={formatImagePath(order.name, order.tag)}>See whether the image is there</a>
            </p>
          )}
          <p>
            <a href="/builds">Builds that the service knows</a>
          </p>
        </>
      )}
      {refusal === undefined && connection === 'lost' && (
        <p role="alert" class="banner">
          The service cannot be reached. This page tries again by itself.
        </p>
      )}
      {refusal === undefined && connection === 'connecting' && <p class="hint">Loading …</p>}
    </>
  )
}
