import type { Clock } from '#engine/ports/clock.ts'

/** Where progress is shown: standard error, as a rule. */
export interface ProgressStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface ProgressReport extends Disposable {
  update(done: number, total: number): void
}

// A terminal shows what moves; a log is read afterwards.
const terminalMs = 200
const logMs = 10_000

/**
 * Shows how far something is: one line that is drawn again and again on a terminal, else a line
 * every ten seconds. Nothing is shown before the first update; the end is shown when disposed of.
 */
export function reportProgress(
  stream: ProgressStream,
  clock: Clock,
  nowMs: () => number = () => performance.now(),
): ProgressReport {
  const isTerminal = stream.isTTY === true
  let first: { readonly done: number; readonly atMs: number } | undefined
  let last = { done: 0, total: 0 }
  let stopTimer = () => {}

  const draw = (end: string) => {
    if (first === undefined) return
    const facts = { ...last, doneBefore: first.done, elapsedMs: nowMs() - first.atMs }
    // One column less: a full line would wrap on some terminals. Some say that they have none.
    const line = isTerminal
      ? `\r${formatProgressBar(facts, (stream.columns || 80) - 1)}\u001B[K${end}`
      : `${formatProgress(facts)}\n`
    stream.write(line)
  }
  const tick = () => {
    draw('')
    stopTimer = clock.after(isTerminal ? terminalMs : logMs, tick)
  }
  return {
    update(done, total) {
      last = { done, total }
      if (first !== undefined) return
      first = { done, atMs: nowMs() }
      if (isTerminal) tick()
      else stopTimer = clock.after(logMs, tick)
    },
    [Symbol.dispose]() {
      stopTimer()
      draw('\n')
    },
  }
}

interface ProgressFacts {
  readonly done: number
  readonly total: number
  /** Done when the clock began: what an earlier run did says nothing about the speed of this one. */
  readonly doneBefore: number
  readonly elapsedMs: number
}

/** `1200/250000 (0 %), 1640/s, 2m 32s left`; no rate while nothing says what it is. */
export function formatProgress({ done, total, doneBefore, elapsedMs }: ProgressFacts): string {
  const share = `${done}/${total} (${Math.floor((done / Math.max(1, total)) * 100)} %)`
  const perMs = (done - doneBefore) / elapsedMs
  if (!(perMs > 0) || !Number.isFinite(perMs)) return share
  const perSecond = perMs * 1000
  const rate = `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`
  if (done >= total) return `${share}, ${rate}`
  return `${share}, ${rate}, ${formatDuration((total - done) / perMs)} left`
}

/** The same with a bar in front, as far as there is room for one. */
export function formatProgressBar(facts: ProgressFacts, columns: number): string {
  const text = formatProgress(facts)
  const width = Math.min(40, columns - text.length - 3)
  if (width < 10) return text.slice(0, columns)
  const filled = Math.floor((facts.done / Math.max(1, facts.total)) * width)
  return `[${'#'.repeat(filled)}${' '.repeat(width - filled)}] ${text}`
}

function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`
}
