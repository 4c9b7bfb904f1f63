import { isOver, type ProgressEvent, type RecordedEvent } from '#core/api/build-progress.ts'
import type { BuildRecord } from '#engine/build-journal.ts'
import type { LiveText } from './live-answers.ts'

// One piece of what a client has missed: some 10 KB, and with the longest log lines 200 KB.
const mostAtOnce = 100

/**
 * The events of a build as server-sent events (html.spec.whatwg.org, section 9.2.6).
 *
 * @param since the last event that the client has; without one, or when those after it are no longer
 *   kept, it gets all that is known first
 * @param showsLog whether the client may read what builders print
 */
export function buildEvents(
  record: BuildRecord,
  since: number | undefined,
  showsLog: boolean,
): LiveText {
  let sent = since

  function catchUp(): string {
    sent = record.progress.lastEvent
    return formatMessage(sent, 'progress', record.progress)
  }

  function next(): string | undefined {
    for (;;) {
      const missed = sent === undefined ? undefined : record.after(sent)
      if (missed === undefined) return catchUp()
      if (missed.length === 0) return undefined
      const piece = missed.slice(0, mostAtOnce)
      sent = piece.at(-1)?.id
      const text = withoutOutdated(piece)
        .filter(({ event }) => showsLog || event.kind !== 'log')
        .map((recorded) => formatMessage(recorded.id, recorded.event.kind, recorded))
        .join('')
      if (text !== '') return text
    }
  }

  return {
    next,
    isOver: () => isOver(record.progress),
    follow: (listener, signal) => record.follow(listener, signal),
    heartbeat: ': the build goes on\n\n',
    farewell: ': the service is shutting down\n\n',
  }
}

/** Of counters only the last state: a client that reads slowly has no use for the ones before. */
function withoutOutdated(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const last = new Map(events.map((recorded) => [counterOf(recorded), recorded]))
  return events.filter((recorded) => last.get(counterOf(recorded)) === recorded)
}

/** Events of the same counter replace each other; every other event stands for itself. */
function counterOf({ event, id }: RecordedEvent): string {
  const kind: ProgressEvent['kind'] = event.kind
  if (event.kind === 'layer-progress') return `${kind} ${event.layer}`
  return event.kind === 'totals' ? kind : `event ${id}`
}

/** JSON has no line ends, which would begin another field. */
function formatMessage(id: number, event: string, data: object): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
