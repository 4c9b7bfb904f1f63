import {
  applyEvent,
  isOver,
  type BuildProgress,
  type RecordedEvent,
} from '#core/api/build-progress.ts'
import { isId } from '#core/api/id.ts'
import { readEventStream } from '../api/event-stream.ts'
import { readText } from '../api/read-text.ts'
import { isUnknown, RequestFailure } from '../api/request-json.ts'

/** What is known of a build that is being watched. */
export interface WatchedBuild {
  readonly progress?: BuildProgress
  /** `forgotten`: the service was restarted while the build ran, which ended it. */
  readonly connection: 'connecting' | 'connected' | 'lost' | 'closed' | 'forgotten'
  /** Why there is nothing to watch: an unknown build, or a service that tells nothing. */
  readonly refusal?: string
}

// Heartbeats come every 15 s.
const silenceMs = 40_000
// Doubles from the first to the last, so that a service that starts again is not stormed.
const firstWaitMs = 1_000
const longestWaitMs = 15_000

/** Watches a build until it has ended or the signal aborts, over as many connections as that takes. */
export async function followBuild(
  id: string,
  token: string | undefined,
  onChange: (build: WatchedBuild) => void,
  signal: AbortSignal,
): Promise<void> {
  // The API knows no such path.
  if (!isId(id)) {
    const refusal = 'No build has this id: the id of a build is 12 digits of 0–9 and a–f.'
    return onChange({ connection: 'closed', refusal })
  }
  let build: WatchedBuild = { connection: 'connecting' }
  const change = (changes: Partial<WatchedBuild>) => onChange((build = { ...build, ...changes }))
  let waitMs = firstWaitMs
  while (!signal.aborted) {
    try {
      for await (const progress of readProgress(id, token, build.progress, signal)) {
        change({ progress, connection: 'connected' })
        waitMs = firstWaitMs
      }
      // The service closes the stream of a build that has ended, and one that is not over when it stops.
      if (build.progress !== undefined && isOver(build.progress))
        return change({ connection: 'closed' })
    } catch (error) {
      if (signal.aborted) return
      if (isUnknown(error) && build.progress !== undefined)
        return change({ progress: endEarly(build.progress), connection: 'forgotten' })
      if (error instanceof RequestFailure && isFinal(error.status))
        return change({ connection: 'closed', refusal: error.message })
    }
    change({ connection: 'lost' })
    await wait(waitMs, signal)
    waitMs = Math.min(2 * waitMs, longestWaitMs)
  }
}

async function* readProgress(
  id: string,
  token: string | undefined,
  known: BuildProgress | undefined,
  signal: AbortSignal,
): AsyncGenerator<BuildProgress> {
  let progress = known
  const headers = {
    accept: 'text/event-stream',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(known !== undefined && { 'last-event-id': String(known.lastEvent) }),
  }
  const address = `/api/v1/builds/${encodeURIComponent(id)}/events`
  const pieces = readText(address, headers, silenceMs, signal)
  const { value: opened } = await pieces.next()
  // A build that is quiet now is followed again, although it tells nothing new.
  if (opened !== undefined && progress !== undefined) yield progress
  for await (const { kind, data } of readEventStream(pieces)) {
    if (kind === 'progress') progress = JSON.parse(data) as BuildProgress
    else if (progress !== undefined)
      progress = applyEvent(progress, JSON.parse(data) as RecordedEvent)
    if (progress !== undefined) yield progress
  }
}

/** What nobody knows any more has ended, as the page saw it, at the moment when it learns that. */
function endEarly(progress: BuildProgress): BuildProgress {
  const message = 'The service was restarted and has forgotten this build.'
  const event = { kind: 'aborted', message } as const
  return applyEvent(progress, { id: progress.lastEvent, atMs: Date.now(), event })
}

/** Whether asking again would give the same. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 429 && status !== 408
}

/** Until the time is over, the browser is online again, or nobody waits any more. */
async function wait(timeMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, timeMs)
  const options = { once: true, signal }
  addEventListener('online', () => resolve(), options)
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
  clearTimeout(timer)
}
