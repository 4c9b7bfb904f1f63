import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { isOver, type BuildProgress } from '#core/api/build-progress.ts'
import type { ImageOrder } from '#core/api/image-order.ts'
import type { ServiceInfo } from '#core/api/service-info.ts'
import { isUnknown } from '../api/request-json.ts'
import { useOrder, type OwnOrder } from '../api/use-order.ts'
import { CommandTabs } from '../compose/command-tabs.tsx'
import { compositionOf, formatQuery } from '../compose/composition.ts'
import { Heading } from '../page/heading.tsx'
import { printable } from '../page/printable.ts'
import { Revision } from '../page/revision.tsx'
import { formatAgo, formatBytes, formatCount, formatDuration } from '../page/quantities.ts'
import { formatBuildPath, formatImagePath } from '../page/route.ts'
import { BuildLog } from './build-log.tsx'
import { StatusBadge } from './build-list.tsx'
import { buildSteps, describeState, type ShownStep } from './build-steps.ts'
import { addSample, downloadRate, type DownloadSample } from './download-rate.ts'
import { followBuild, type WatchedBuild } from './follow-build.ts'
import { LayerBars } from './layer-bars.tsx'
import { sumLayers } from './layer-rows.ts'

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
      <Unwatched
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
      {isEnded && <Result progress={progress} order={order.placed?.order} service={service} />}
      {!isEnded && order.placed !== undefined && <Cancel order={order} />}
      <OtherBuilds id={id} order={order.placed?.order} />
      <Steps progress={progress} />
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

interface UnwatchedProperties {
  readonly id: string
  readonly refusal: string | undefined
  readonly connection: WatchedBuild['connection']
  readonly order: ImageOrder | undefined
  readonly service: ServiceInfo | undefined
}

function Unwatched({ id, refusal, connection, order, service }: UnwatchedProperties) {
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
              <a class="button" href={composePath(order.name, order.tag, service)}>
                Order {printable(order.name)} again
              </a>
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

/** Where the same image is put together again. */
function composePath(name: string, tag: string, service: ServiceInfo | undefined): string {
  const sources = (service?.sources ?? []).map((source) => source.name)
  return `/?${formatQuery({ ...compositionOf(name, sources), tag })}`
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

interface ResultProperties {
  readonly progress: BuildProgress
  readonly order: ImageOrder | undefined
  readonly service: ServiceInfo | undefined
}

function Result({ progress, order, service }: ResultProperties) {
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
        <a class="button" href={composePath(name, tag, service)}>
          Change the packages or try again
        </a>
      </p>
    </section>
  )
}

function Cancel({ order }: { readonly order: OwnOrder }) {
  const [state, setState] = useState({ waits: false, problem: '' })
  async function cancel(): Promise<void> {
    setState({ waits: true, problem: '' })
    try {
      await order.cancel()
    } catch (error) {
      setState({ waits: false, problem: describeProblem(error) })
    }
  }
  if (order.placed?.order.status === 'cancelled')
    return (
      <p class="hint">
        You have cancelled this. A build that others wait for goes on, and one that nobody waits for
        ends soon.
      </p>
    )
  return (
    <p class="actions">
      <button type="button" disabled={state.waits} onClick={() => void cancel()}>
        Cancel
      </button>
      <span role="alert" class="bad">
        {printable(state.problem)}
      </span>
    </p>
  )
}

function describeProblem(error: unknown): string {
  if (isUnknown(error)) return 'The order is over: there is nothing to cancel any more.'
  return error instanceof Error ? error.message : String(error)
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

function Steps({ progress }: { readonly progress: BuildProgress }) {
  const [queued, evaluating, realising, packing] = buildSteps(progress)
  const { derivations, layers } = progress
  return (
    <ol class="steps" aria-label="Steps of the build">
      <Step {...queued!} />
      <Step {...evaluating!}>
        {derivations !== undefined && <p>{formatCount(derivations, 'derivation')}</p>}
      </Step>
      <Step {...realising!}>
        <Realisation progress={progress} />
      </Step>
      <Step {...packing!}>{layers.length > 0 && <Packing progress={progress} />}</Step>
    </ol>
  )
}

interface StepProperties extends ShownStep {
  readonly children?: ComponentChildren
}

function Step({ title, state, children }: StepProperties) {
  const words = { ahead: 'to come', current: 'now', done: 'done', failed: 'ended here' }
  return (
    <li class={state} aria-current={state === 'current' ? 'step' : undefined}>
      <h2>
        {title} <span class="unseen">({words[state]})</span>
      </h2>
      {children}
    </li>
  )
}

/** Names of what happens at once; more of them would push everything else away. */
const mostNames = 6

function Realisation({ progress }: { readonly progress: BuildProgress }) {
  const { totals, builders, downloads } = progress
  const rate = useDownloadRate(progress)
  if (totals === undefined && builders.length === 0 && downloads.length === 0) return null
  const { buildsDone = 0, buildsExpected = 0 } = totals ?? {}
  const { downloadedBytes = 0, downloadExpectedBytes = 0 } = totals ?? {}
  return (
    <>
      {downloadExpectedBytes > 0 && (
        <div class="amount">
          <p>
            Downloaded {formatBytes(downloadedBytes)} of {formatBytes(downloadExpectedBytes)}
            {rate !== undefined && !isOver(progress) && `, ${formatBytes(rate)}/s`}
          </p>
          <progress aria-label="Downloaded" value={downloadedBytes} max={downloadExpectedBytes} />
        </div>
      )}
      <Names verb="Downloading" names={downloads} />
      {buildsExpected > 0 && (
        <div class="amount">
          <p>
            Built {buildsDone} of {formatCount(buildsExpected, 'package')}
          </p>
          <progress aria-label="Built" value={buildsDone} max={buildsExpected} />
        </div>
      )}
      <Names verb="Building" names={builders} />
    </>
  )
}

function Names({ verb, names }: { readonly verb: string; readonly names: readonly string[] }) {
  if (names.length === 0) return null
  const more = names.length - mostNames
  return (
    <p class="names">
      {verb}{' '}
      {names.slice(0, mostNames).map((name, index) => (
        <>
          {index > 0 && ', '}
          <code>{printable(name)}</code>
        </>
      ))}
      {more > 0 && ` and ${more} more`}
    </p>
  )
}

function useDownloadRate({ totals }: BuildProgress): number | undefined {
  const [samples, setSamples] = useState<readonly DownloadSample[]>([])
  const bytes = totals?.downloadedBytes
  useEffect(() => {
    if (bytes === undefined) return
    setSamples((samples) => addSample(samples, { atMs: Date.now(), bytes }))
  }, [bytes])
  return downloadRate(samples)
}

function Packing({ progress }: { readonly progress: BuildProgress }) {
  const { layers } = progress
  const { done, reused, doneBytes, allBytes } = sumLayers(layers)
  return (
    <>
      <div class="amount">
        <p>
          {done} of {formatCount(layers.length, 'layer')}
          {reused > 0 && `, ${reused} of them from other images`}; {formatBytes(doneBytes)} of{' '}
          {formatBytes(allBytes)}
        </p>
        <progress aria-label="Layers" value={done} max={layers.length} />
      </div>
      <LayerBars layers={layers} isEnded={isOver(progress)} />
    </>
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
