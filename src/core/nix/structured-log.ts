/** Activity types of Nix's structured log (libutil/logging.hh, `ActivityType`). */
export const activityTypes = {
  copyPath: 100,
  fileTransfer: 101,
  realise: 102,
  builds: 104,
  build: 105,
  substitute: 108,
} as const

/** Result types of Nix's structured log (libutil/logging.hh, `ResultType`). */
export const resultTypes = {
  buildLogLine: 101,
  setPhase: 104,
  progress: 105,
  setExpected: 106,
} as const

type Field = string | number

/** One line of `--log-format internal-json`. */
export type LogEvent =
  | {
      readonly kind: 'start'
      readonly id: number
      readonly type: number
      readonly text: string
      readonly fields: readonly Field[]
    }
  | { readonly kind: 'stop'; readonly id: number }
  | {
      readonly kind: 'result'
      readonly id: number
      readonly type: number
      readonly fields: readonly Field[]
    }
  /** Level 0 is an error, 1 a warning; more is information. */
  | { readonly kind: 'message'; readonly level: number; readonly text: string }

const prefix = '@nix '

/**
 * Reads one line of the structured log. A line that is not part of it, as the dynamic linker or a
 * plug-in may print, is a message; `undefined` when it claims to be part of it but cannot be
 * understood, as an unknown action of a newer Nix.
 */
export function parseLogEvent(line: string): LogEvent | undefined {
  if (!line.startsWith(prefix)) {
    const text = stripTerminalCodes(line)
    return { kind: 'message', level: text.startsWith('error:') ? 0 : 3, text }
  }
  const record = parseRecord(line.slice(prefix.length))
  if (record === undefined) return undefined
  switch (record['action']) {
    case 'start':
      return startEvent(record)
    case 'stop':
      return isNumber(record['id']) ? { kind: 'stop', id: record['id'] } : undefined
    case 'result':
      return resultEvent(record)
    case 'msg':
      return messageEvent(record)
    default:
      return undefined
  }
}

/** A place in a file, as Nix counts: both from 1. */
export interface FilePosition {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** What Nix was doing when an error came up. */
export interface TraceFrame {
  readonly text: string
  readonly position?: FilePosition
}

/** An error that ended a Nix command. */
export interface ErrorRecord extends TraceFrame {
  /** The innermost first; empty without `--show-trace`. */
  readonly trace: readonly TraceFrame[]
}

/**
 * Reads one line of the structured log as an error. Messages of a package set, such as those of
 * `builtins.trace`, are never one, whatever they say: only errors have their bare text beside the
 * printed one.
 */
export function parseErrorRecord(line: string): ErrorRecord | undefined {
  if (!line.startsWith(errorPrefix)) return undefined
  const json = line.slice(prefix.length)
  const record = parseRecord(json) ?? mendRecord(json)
  if (record?.['level'] !== 0 || typeof record['raw_msg'] !== 'string') return undefined
  const trace = Array.isArray(record['trace']) ? record['trace'] : []
  return { ...frameOf(record), trace: trace.map((frame) => frameOf(frame as LogRecord)) }
}

const errorPrefix = `${prefix}{"action":"msg"`

/**
 * A trace of thousands of frames makes a line that was cut, in the trace or in the printed text,
 * which Nix 2.8 begins with the message. No text holds the key: its quotes would be escaped.
 */
function mendRecord(json: string): LogRecord | undefined {
  const [untilTrace = ''] = json.split(',"trace":[', 1)
  if (untilTrace !== json) return parseRecord(`${untilTrace}}`)
  const record = parseRecord(`${json.split(String.raw`\n\n`, 1)[0]}"}`)
  const [, message] = /^error: *([^]+)/.exec(textOf(record?.['msg'])) ?? []
  return message === undefined ? undefined : { ...record, raw_msg: message }
}

function frameOf(record: LogRecord): TraceFrame {
  const { raw_msg: text, file, line, column } = record
  const isKnown = typeof file === 'string' && isNumber(line) && isNumber(column)
  if (!isKnown) return { text: textOf(text) }
  // Since 2.14 the name of the file ends with the place in it.
  const place = `:${line}:${column}`
  const bare = file.endsWith(place) ? file.slice(0, -place.length) : file
  return { text: textOf(text), position: { file: bare, line, column } }
}

/** Text without the colours and cursor movements of a terminal, and without other control bytes. */
export function stripTerminalCodes(text: string): string {
  return text.replaceAll(terminalCodes, '')
}

// CSI and OSC sequences, then what else does not print; tabs and line ends stay.
const terminalCodes =
  // oxlint-disable-next-line no-control-regex
  /\u001B\[[0-?]*[ -/]*[@-~]|\u001B\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|[\u0000-\u0008\u000B-\u001F\u007F]/g

type LogRecord = Readonly<Record<string, unknown>>

function parseRecord(text: string): LogRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return typeof value === 'object' && value !== null ? (value as LogRecord) : undefined
}

function startEvent({ id, type, text, fields }: LogRecord): LogEvent | undefined {
  if (!isNumber(id) || !isNumber(type)) return undefined
  return { kind: 'start', id, type, text: textOf(text), fields: fieldsOf(fields) }
}

function resultEvent({ id, type, fields }: LogRecord): LogEvent | undefined {
  if (!isNumber(id) || !isNumber(type)) return undefined
  return { kind: 'result', id, type, fields: fieldsOf(fields) }
}

function messageEvent({ level, msg, raw_msg: raw }: LogRecord): LogEvent {
  const text = textOf(typeof raw === 'string' ? raw : msg)
  return { kind: 'message', level: isNumber(level) ? level : 0, text }
}

function fieldsOf(fields: unknown): readonly Field[] {
  if (!Array.isArray(fields)) return []
  return fields.map((field) => (isNumber(field) ? field : textOf(field)))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? stripTerminalCodes(value) : ''
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number'
}
