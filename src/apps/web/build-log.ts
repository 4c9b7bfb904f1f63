import { stripVTControlCharacters } from 'node:util'
import { isOver } from '#core/api/build-progress.ts'
import { replaceUnseen } from '#core/text/unseen-characters.ts'
import type { BuildRecord, LogLine } from '#engine/build-journal.ts'
import type { LiveText } from './live-answers.ts'

// One piece: some 10 KB, and with the longest lines 200 KB.
const mostAtOnce = 100

/** What builders print, as plain text for people: a line each, with the name of the derivation. */
export function buildLog(record: BuildRecord, follows: boolean): LiveText {
  const { lines, droppedLines } = record.log
  const known = lines.slice()
  let position = 0
  let sent = record.progress.lastEvent
  let lost = droppedLines > 0

  function takeLost(): string | undefined {
    if (!lost) return undefined
    lost = false
    return '(lines before these are no longer kept)\n'
  }

  function takeKnown(): string | undefined {
    if (position >= known.length) return undefined
    const piece = known.slice(position, position + mostAtOnce)
    position += piece.length
    return piece.map(formatLine).join('')
  }

  function takeNew(): string | undefined {
    const missed = record.after(sent)
    sent = record.progress.lastEvent
    lost = missed === undefined
    if (missed === undefined) return takeLost()
    const text = missed
      .flatMap(({ event }) => (event.kind === 'log' ? [formatLine(event)] : []))
      .join('')
    return text === '' ? undefined : text
  }

  return {
    next: () => takeLost() ?? takeKnown() ?? (follows ? takeNew() : undefined),
    isOver: () => !follows || isOver(record.progress),
    follow: (listener, signal) => record.follow(listener, signal),
    heartbeat: '',
    farewell: '(the service is shutting down)\n',
  }
}

function formatLine({ name, line }: LogLine): string {
  return `${plain(name)}> ${plain(line)}\n`
}

/** As a terminal may show it; tabs stay. */
function plain(text: string): string {
  return replaceUnseen(stripVTControlCharacters(text), (run) => run.replaceAll(/[^\t]/g, ''))
}
