/** What follows an option in a command line: how help calls it, and what completes it. */
interface OptionValue {
  readonly value: string
  readonly completion?: 'file' | 'directory' | readonly string[]
}

/** An option as `parseArgs` of Node takes it, with what help and completion say of it. */
export type CommandOption =
  | ({ readonly type: 'string'; readonly short?: string; readonly about: string } & OptionValue)
  | {
      readonly type: 'boolean'
      readonly short?: string
      readonly default?: boolean
      readonly about: string
    }

export type CommandOptions = Readonly<Record<string, CommandOption>>

/** A command with everything that people may want to know of it: the source of help and completion. */
export interface CommandSyntax {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** What may follow the name, one string for each way to call it. */
  readonly synopsis: readonly string[]
  /** Paragraphs. */
  readonly about: readonly string[]
  readonly options: CommandOptions
  /** What completes an argument that is no option: one of these, or the name of an image. */
  readonly argument?: readonly string[] | 'image'
  /** Paragraphs after the options. */
  readonly notes?: readonly string[]
  /** Exit codes beside `usualExitCodes`, or with a meaning of their own. */
  readonly exitCodes?: ExitCodes
}

export type ExitCodes = Readonly<Record<number, string>>

/** Every command ends with one of these unless its help says more. */
export const usualExitCodes: ExitCodes = {
  0: 'all went well',
  1: 'the command cannot do its work; standard error says why',
  2: 'the command line is wrong',
}

/** Of commands that make images, or watch them being made. */
export const buildExitCodes: ExitCodes = {
  ...usualExitCodes,
  3: 'there is no such image, or its packages failed to build: another request may succeed',
  130: 'interrupted with Ctrl-C; the build was cancelled',
}

export const helpOption = {
  help: { type: 'boolean', short: 'h', default: false, about: 'print this' },
} as const

/** Of commands that make images, or watch them being made. */
export const displayOptions = {
  quiet: {
    type: 'boolean',
    short: 'q',
    default: false,
    about: 'print the result only, and what goes wrong',
  },
  json: {
    type: 'boolean',
    default: false,
    about: 'print one JSON object per line for each step, the result last',
  },
  ...helpOption,
} as const

/** Terminals have 80 columns at least, as a rule, and longer lines are hard to read. */
const helpColumns = 80

/** What `nixery <command> --help` prints. */
export function formatHelp(syntax: CommandSyntax): string {
  const { about, options, notes = [], exitCodes } = syntax
  const codes = Object.entries(exitCodes ?? usualExitCodes)
  const sections = [
    formatSynopsis(syntax),
    ...about.map((paragraph) => wrap(paragraph, helpColumns).join('\n')),
    formatRows(
      Object.entries(options).map(([each, option]) => [spell(each, option), option.about]),
    ),
    ...notes.map((paragraph) => wrap(paragraph, helpColumns).join('\n')),
    `Exit codes:\n${formatRows(codes)}`,
  ]
  return `${sections.join('\n\n')}\n`
}

function formatSynopsis({ name, synopsis }: CommandSyntax): string {
  return synopsis
    .map((each, index) =>
      hang(index === 0 ? 'usage: ' : '       ', `nixery ${name} ${each}`.trimEnd()),
    )
    .join('\n')
}

/** What is said of a wrong command line. */
export function formatSlip(syntax: CommandSyntax, message: string): string {
  return `nixery: ${message}\n\n${formatSynopsis(syntax)}\n\nnixery ${syntax.name} --help says more.\n`
}

/** `-h, --help`, `--output WHERE` */
export function spell(name: string, option: CommandOption): string {
  const short = option.short === undefined ? '' : `-${option.short}, `
  return `${short}--${name}${option.type === 'string' ? ` ${option.value}` : ''}`
}

// A wider one leaves the texts beside it no room, so they go below.
const widestLabel = 22

/** Two columns, as far as the first one is narrow. */
export function formatRows(rows: ReadonlyArray<readonly [label: string, text: string]>): string {
  const width = Math.min(widestLabel, Math.max(...rows.map(([label]) => label.length)))
  return rows
    .map(([label, text]) => {
      const lines = wrap(text, helpColumns - width - 4)
      const beside =
        label.length <= width ? label.padEnd(width) : `${label}\n  ${' '.repeat(width)}`
      return `  ${beside}  ${lines.join(`\n${' '.repeat(width + 4)}`)}`
    })
    .join('\n')
}

function hang(label: string, text: string): string {
  return wrap(text, helpColumns - label.length)
    .map((line, index) => (index === 0 ? label : ' '.repeat(label.length + 4)) + line)
    .join('\n')
}

function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  // What stands in brackets stays on one line.
  for (const word of text.match(/\[[^\]]*\]|\S+/g) ?? []) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}
