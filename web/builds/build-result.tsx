import type { BuildProgress } from '#core/api/build-progress.ts'
import type { ImageOrder } from '#core/api/image-order.ts'
import type { ServiceInfo } from '#core/api/service-info.ts'
import { CommandTabs } from '../compose/command-tabs.tsx'
import { printable } from '../page/printable.ts'
import { formatImagePath } from '../page/route.ts'
import { ComposeAgain } from './compose-again.tsx'

interface Properties {
  readonly progress: BuildProgress
  readonly order: ImageOrder | undefined
  readonly service: ServiceInfo | undefined
}

/** How a build has ended, and what can be done now. */
export function BuildResult({ progress, order, service }: Properties) {
  const { name, status, platform, message } = progress
  // The build may have been begun for somebody who asked by another tag.
  const tag = order?.tag ?? progress.tag
  const othersRun = order?.status === 'waiting' && order.builds.length > 1
  if (status === 'finished')
    return (
      <section class="card good" aria-labelledby="result">
        <h2 id="result">
          {othersRun ? 'The image is ready for this platform' : 'The image is ready'}
        </h2>
        <CommandTabs components={name.split('/')} tag={tag} />
        <p class="actions">
          <a class="button" href={formatImagePath(name, tag, platform)}>
            Look into the image
          </a>
        </p>
      </section>
    )
  return (
    <section class="card problem" aria-labelledby="result">
      <h2 id="result">{status === 'failed' ? 'The build has failed' : 'The build ended early'}</h2>
      <p class="message">{printable(message ?? '')}</p>
      <p class="actions">
        <ComposeAgain name={name} tag={tag} service={service}>
          Change the packages or try again
        </ComposeAgain>
      </p>
    </section>
  )
}
