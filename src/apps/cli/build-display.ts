import { isOver, type BuildProgress, type RecordedEvent } from '#core/api/build-progress.ts'
import type { Clock } from '#engine/ports/clock.ts'
import { formatByteSize } from './byte-size.ts'
import { describeEnd, describeEvent, formatBuild, type Paint } from './build-lines.ts'
import { formatProgressBar } from './progress-report.ts'
import { printable } from './printable.ts'

/** Standard output and error, as far as commands need them. */
export interface BuildTerminal {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: {
    readonly isTTY?: boolean
    readonly columns?: number
    readonly rows?: number
    write(text: string): unknown
  }
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Shows how builds go on. What it shows moves until it is disposed of; then its last lines stay. */
export interface BuildDisplay extends Disposable {
  /** A build as it is now, and the fact that made it so; none when it is seen for the first time. */
  show(progress: BuildProgress, recorded?: RecordedEvent): void
  /** How far the image is on its way to its destination. */
  showOutput(label: string, doneBytes: number, totalBytes: number): void
  /** A line that stays. */
  note(line: string): void
  /** A line about the result itself, for those too who want nothing else. */
  warn(line: string): void
}

export interface DisplayOptions {
  readonly terminal: BuildTerminal
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
}

export function openDisplay(
  { json, quiet }: { readonly json: boolean; readonly quiet: boolean },
  options: DisplayOptions,
): BuildDisplay {
  const { stderr, environment } = options.terminal
  if (json) return jsonDisplay(options.terminal)
  if (quiet) return quietDisplay(options.terminal)
  return stderr.isTTY === true && environment['TERM'] !== 'dumb'
    ? new MovingDisplay(options)
    : plainDisplay(options)
}

/** One JSON object per line, for programs. */
function jsonDisplay({ stdout }: BuildTerminal): BuildDisplay {
  const print = (line: unknown) => stdout.write(`${JSON.stringify(line)}\n`)
  const note = (line: string) => print({ kind: 'note', message: line })
  return {
    show(progress, recorded) {
      const { id } = progress
      print(
        recorded === undefined
          ? { kind: 'progress', build: id, progress }
          : { kind: 'event', build: id, ...recorded },
      )
    },
    // Several a second, and the result says all of it.
    showOutput: () => {},
    note,
    warn: note,
    [Symbol.dispose]: () => {},
  }
}

/** Results and errors are not its matter. */
function quietDisplay({ stderr }: BuildTerminal): BuildDisplay {
  return {
    show: () => {},
    showOutput: () => {},
    note: () => {},
    warn: (line) => stderr.write(`${printable(line)}\n`),
    [Symbol.dispose]: () => {},
  }
}

// Of what is written somewhere: a log is read afterwards.
const outputLineMs = 10_000

/** A line per step, for logs. */
function plainDisplay({ terminal: { stderr }, nowMs }: DisplayOptions): BuildDisplay {
  let lastOutputMs = nowMs()
  const note = (line: string) => stderr.write(`${printable(line)}\n`)
  return {
    show(progress, recorded) {
      const line = recorded && describeEvent(progress, recorded)
      if (line === undefined) return
      stderr.write(`${printable(progress.name)} ${printable(progress.platform)}: ${line}\n`)
    },
    showOutput(label, doneBytes, totalBytes) {
      if (nowMs() - lastOutputMs < outputLineMs) return
      lastOutputMs = nowMs()
      stderr.write(`${label}: ${formatByteSize(doneBytes)} of ${formatByteSize(totalBytes)}\n`)
    },
    note,
    warn: note,
    [Symbol.dispose]: () => {},
  }
}

// Bars that move, and clocks that count seconds.
const redrawMs = 150

const clearToEnd = '\u001B[J'
const clearLine = '\u001B[K'

const sgr = { green: 32, red: 31, cyan: 36, dim: 2 } as const

/**
 * Lines at the bottom of a terminal that are written again and again in their place: each time in one
 * piece, so that nothing flickers. The cursor stays below them and is never hidden, so that whatever
 * ends the process leaves a usable terminal.
 */
class MovingDisplay implements BuildDisplay {
  readonly #options: DisplayOptions
  readonly #paint: Paint
  readonly #builds = new Map<string, BuildProgress>()
  #output: { readonly label: string; readonly done: number; readonly total: number } | undefined
  #outputBeganMs = 0
  /** Of the lines that were written last. */
  #height = 0
  #stopTimer: () => void = () => {}

  constructor(options: DisplayOptions) {
    this.#options = options
    const { NO_COLOR: noColour } = options.terminal.environment
    // https://no-color.org: any value but the empty one.
    this.#paint =
      noColour === undefined || noColour === ''
        ? (colour, text) => `\u001B[${sgr[colour]}m${text}\u001B[0m`
        : (_colour, text) => text
    this.#tick()
  }

  show(progress: BuildProgress): void {
    this.#builds.set(progress.id, progress)
    if (!isOver(progress)) return
    this.#builds.delete(progress.id)
    this.#write([describeEnd(progress)])
  }

  showOutput(label: string, done: number, total: number): void {
    if (this.#output === undefined) this.#outputBeganMs = this.#options.nowMs()
    this.#output = { label, done, total }
  }

  note(line: string): void {
    this.#write([printable(line)])
  }

  warn(line: string): void {
    this.note(line)
  }

  [Symbol.dispose](): void {
    this.#stopTimer()
    this.#builds.clear()
    this.#output = undefined
    this.#write([])
  }

  #tick(): void {
    this.#write([])
    this.#stopTimer = this.#options.clock.after(redrawMs, () => this.#tick())
  }

  /** Lines that stay, and below them those that move. */
  #write(staying: readonly string[]): void {
    const moving = this.#movingLines()
    if (staying.length + moving.length + this.#height === 0) return
    const up = this.#height === 0 ? '' : `\u001B[${this.#height}A`
    const lines = [...staying, ...moving].map((line) => `${line}${clearLine}\n`)
    this.#options.terminal.stderr.write(`\r${up}${lines.join('')}${clearToEnd}`)
    this.#height = moving.length
  }

  #movingLines(): readonly string[] {
    const { terminal, nowMs } = this.#options
    // A full line would wrap on some terminals. Some say that they have no size.
    const columns = (terminal.stderr.columns || 80) - 1
    const rows = (terminal.stderr.rows || 24) - 1
    const each = Math.max(1, Math.floor(rows / Math.max(1, this.#builds.size)))
    const room = { columns, rows: each, nowMs: nowMs(), paint: this.#paint }
    const lines = [...this.#builds.values()].flatMap((build) => formatBuild(build, room))
    const output = this.#output
    if (output === undefined) return lines.slice(0, rows)
    const bar = formatProgressBar(
      {
        ...output,
        doneBefore: 0,
        elapsedMs: nowMs() - this.#outputBeganMs,
        formatAmount: formatByteSize,
      },
      columns,
    )
    return [...lines.slice(0, rows - 1), bar]
  }
}
