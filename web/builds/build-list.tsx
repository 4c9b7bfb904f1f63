import type { BuildStatus, BuildSummary } from '#core/api/build-progress.ts'
import { useAnswer } from '../api/use-answer.ts'
import { printable } from '../page/printable.ts'
import { formatAgo, formatBytes, formatDuration } from '../page/quantities.ts'
import { formatBuildPath } from '../page/route.ts'

interface Properties {
  readonly most: number
  readonly only?: 'failed' | undefined
}

// New builds are no hurry here; a build's own page follows it at once.
const pollMs = 5_000

const statusWords: Record<BuildStatus, string> = {
  queued: 'waiting',
  running: 'running',
  finished: 'finished',
  failed: 'failed',
  aborted: 'ended early',
}

/** The newest builds of the service, whoever asked for them. */
export function BuildList({ most, only }: Properties) {
  const answer = useAnswer<{ readonly builds: readonly BuildSummary[] }>(
    `/api/v1/builds?limit=${most}`,
    { againAfterMs: () => pollMs },
  )
  if (answer.kind === 'loading') return <p class="hint">Loading …</p>
  if (answer.kind === 'failed') return <p class="problem">{printable(answer.message)}</p>
  const builds = answer.value.builds.filter(
    ({ status }) => only === undefined || status === 'failed' || status === 'aborted',
  )
  if (builds.length === 0)
    return (
      <p class="empty">
        {only === undefined
          ? 'Nothing was built since the service started.'
          : 'No build has failed since the service started.'}
      </p>
    )
  return (
    <ul class="builds">
      {builds.map((build) => (
        <li key={build.id}>
          <StatusBadge status={build.status} />
          <a href={formatBuildPath(build.id)}>
            <bdi>{printable(build.name)}</bdi>
            {build.tag !== 'latest' && <>:{printable(build.tag)}</>}
          </a>
          <span class="hint">{describe(build)}</span>
          {build.message !== undefined && <span class="message">{printable(build.message)}</span>}
        </li>
      ))}
    </ul>
  )
}

/** A status in a word and a colour. */
export function StatusBadge({ status }: { readonly status: BuildStatus }) {
  return <span class={`badge ${status}`}>{statusWords[status]}</span>
}

function describe({ platform, queuedAtMs, endedAtMs, sizeBytes }: BuildSummary): string {
  const parts = [
    platform,
    formatAgo(Date.now() - queuedAtMs),
    ...(endedAtMs === undefined ? [] : [`took ${formatDuration(endedAtMs - queuedAtMs)}`]),
    ...(sizeBytes === undefined ? [] : [formatBytes(sizeBytes)]),
  ]
  return parts.join(' · ')
}
