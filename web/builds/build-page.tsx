import { useEffect, useState } from 'preact/hooks'
import { isOver, type BuildProgress } from '#core/api/build-progress.ts'
import type { ImageOrder } from '#core/api/image-order.ts'
import type { ServiceInfo } from '#core/api/service-info.ts'
import { useOrder } from '../api/use-order.ts'
import { Heading } from '../page/heading.tsx'
import { printable } from '../page/printable.ts'
import { Revision } from '../page/revision.tsx'
import { formatAgo, formatBytes, formatDuration } from '../page/quantities.ts'
import { formatBuildPath } from '../page/route.ts'
import { StatusBadge } from './build-list.tsx'
import { BuildLog } from './build-log.tsx'
import { BuildResult } from './build-result.tsx'
import { describeState } from './build-steps.ts'
import { CancelOrder } from './cancel-order.tsx'
import { followBuild, type WatchedBuild } from './follow-build.ts'
import { StepList } from './step-list.tsx'
import { UnwatchedBuild } from './unwatched-build.tsx'

interface Properties {
  readonly id: string
  readonly service: ServiceInfo | undefined
}

/** One build, live until it ends. */
export function BuildPage({ id, service }: Properties) {
  const order = useOrder(id)
  const token = order.placed?.token
  const { progress, connection, refusal } = useBuild(id, token)
  if (progress === undefined)
    return (
      <UnwatchedBuild
        id={id}
        refusal={refusal}
        connection={connection}
        order={order.placed?.order}
        service={service}
      />
    )
  const isEnded = isOver(progress)
  return (
    <>
      <Heading title={`Build of ${printable(progress.name)}`}>
        Build of <bdi>{printable(progress.name)}</bdi>
        {progress.tag !== 'latest' && <span class="tag">:{printable(progress.tag)}</span>}
      </Heading>
      <p class="facts">
        <StatusBadge status={progress.status} />
        <span>{progress.platform}</span>
        <Elapsed progress={progress} />
        {progress.sizeBytes !== undefined && <span>{formatBytes(progress.sizeBytes)}</span>}
        <span>
          build <code>{printable(progress.id)}</code>
        </span>
        {progress.revision !== '' && (
          <span>
            packages at <Revision revision={progress.revision} />
          </span>
        )}
      </p>
      <p role="status" class="unseen">
        {describeState(progress)}
      </p>
      {connection === 'lost' && (
        <p role="alert" class="banner">
          The connection to the service was lost; trying again. What stands here is what it said
          last.
        </p>
      )}
      {connection === 'closed' && refusal !== undefined && (
        <p role="alert" class="banner">
          The service no longer tells of this build: {printable(refusal)}
        </p>
      )}
      {isEnded && <BuildResult progress={progress} order={order.placed?.order} service={service} />}
      {!isEnded && order.placed !== undefined && <CancelOrder order={order} />}
      <OtherBuilds id={id} order={order.placed?.order} />
      <StepList progress={progress} />
      <section aria-labelledby="log">
        <h2 id="log">Log</h2>
        {service !== undefined && (
          <Log
            isAllowed={service.web === 'full' || token !== undefined}
            buildId={id}
            token={token}
            isConnected={connection === 'connected' || connection === 'closed'}
          />
        )}
      </section>
    </>
  )
}

function useBuild(id: string, token: string | undefined): WatchedBuild {
  const [build, setBuild] = useState<WatchedBuild>({ connection: 'connecting' })
  useEffect(() => {
    const controller = new AbortController()
    void followBuild(id, token, setBuild, controller.signal)
    return () => controller.abort()
  }, [id, token])
  return build
}

/** The time so far, or that it took. */
function Elapsed({ progress }: { readonly progress: BuildProgress }) {
  const { queuedAtMs, startedAtMs = queuedAtMs, endedAtMs } = progress
  const [nowMs, setNowMs] = useState(Date.now)
  useEffect(() => {
    if (endedAtMs !== undefined) return
    const timer = setInterval(() => setNowMs(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [endedAtMs])
  if (endedAtMs === undefined) return <span>{formatDuration(nowMs - startedAtMs)} so far</span>
  return (
    <span>
      took {formatDuration(endedAtMs - startedAtMs)}, {formatAgo(nowMs - endedAtMs)}
    </span>
  )
}

interface OtherProperties {
  readonly id: string
  readonly order: ImageOrder | undefined
}

/** An image for several platforms is several builds. */
function OtherBuilds({ id, order }: OtherProperties) {
  const others = (order?.builds ?? []).filter((other) => other !== id)
  if (others.length === 0) return null
  return (
    <p>
      Your order has more builds, one for each platform:{' '}
      {others.map((other, index) => (
        <>
          {index > 0 && ', '}
          <a href={formatBuildPath(other)}>{other}</a>
        </>
      ))}
    </p>
  )
}

interface LogProperties {
  readonly isAllowed: boolean
  readonly buildId: string
  readonly token: string | undefined
  readonly isConnected: boolean
}

function Log({ isAllowed, ...log }: LogProperties) {
  if (isAllowed) return <BuildLog {...log} />
  return (
    <p class="hint">
      What builders print is shown only to whoever has started the build on this page, in the same
      tab (the operator’s setting <code>NIXERY_WEB=status</code>). “Build it now” with the same name
      gives you a build of your own, or a share in this one, with its log.
    </p>
  )
}
