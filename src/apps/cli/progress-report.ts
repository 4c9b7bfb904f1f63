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

export interface ProgressOptions {
  /** What is being done, before everything else: `reading`. */
  readonly label?: string
  /** How amounts and rates are written; plain numbers unless given. */
  readonly formatAmount?: (amount: number) => string
  readonly nowMs?: () => number
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
  { label, formatAmount, nowMs = () => performance.now() }: ProgressOptions = {},
): ProgressReport {
  const isTerminal = stream.isTTY === true
  let first: { readonly done: number; readonly atMs: number } | undefined
  let last = { done: 0, total: 0 }
  let stopTimer = () => {}

  const draw = (end: string) => {
    if (first === undefined) return
    const facts = {
      ...last,
      doneBefore: first.done,
      elapsedMs: nowMs() - first.atMs,
      ...(label !== undefined && { label }),
      ...(formatAmount && { formatAmount }),
    }
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
      // Nothing to do is nothing to show.
      if (total === 0) return
      last = { done, total }
      if (first !== undefined) return
      first = { done, atMs: nowMs() }
      if (isTerminal) tick()
      else stopTimer = clock.after(logMs, tick)
    },
    [Symbol.dispose]() {
      stopTimer()
      draw('\n')
      first = undefined
    },
  }
}

interface ProgressFacts {
  readonly done: number
  readonly total: number
  /** Done when the clock began: what an earlier run did says nothing about the speed of this one. */
  readonly doneBefore: number
  readonly elapsedMs: number
  readonly label?: string
  readonly formatAmount?: (amount: number) => string
}

/** `1200/250000 (0 %), 1640/s, 2m 32s left`; no rate while nothing says what it is. */
export function formatProgress(facts: ProgressFacts): string {
  const { done, total, doneBefore, elapsedMs, label, formatAmount } = facts
  const amount = formatAmount ?? String
  const percent = Math.floor((done / Math.max(1, total)) * 100)
  const share = `${label ? `${label} ` : ''}${amount(done)}/${amount(total)} (${percent} %)`
  const perMs = (done - doneBefore) / elapsedMs
  if (!(perMs > 0) || !Number.isFinite(perMs)) return share
  const perSecond = perMs * 1000
  const rate = `${(formatAmount ?? formatRate)(perSecond)}/s`
  if (done >= total) return `${share}, ${rate}`
  return `${share}, ${rate}, ${formatDuration((total - done) / perMs)} left`
}

function formatRate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond))
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
