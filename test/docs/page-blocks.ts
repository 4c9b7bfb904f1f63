import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A fenced block of a page, with the mark in the comment before it. */
export interface PageBlock {
  /** Below the project, such as `docs/storage.md`. */
  readonly page: string
  /** Of the fence, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
  /** Of `<!-- needs: a bucket -->`: `{ word: 'needs', value: 'a bucket' }`. */
  readonly mark?: { readonly word: string; readonly value: string }
}

/** A command with what the page says that it prints; empty where it says nothing. */
export interface PageCommand {
  readonly command: string
  readonly output: string
}

const root = join(import.meta.dirname, '..', '..')

/** All pages that show commands, below the project. */
export function listPages(): readonly string[] {
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
  return [
    'README.md',
    'CONTRIBUTING.md',
    'deploy/README.md',
    ...docs.sort().map((name) => `docs/${name}`),
  ]
}

export function readPageBlocks(page: string): readonly PageBlock[] {
  return parseBlocks(page, readFileSync(join(root, page), 'utf8'))
}

export function parseBlocks(page: string, text: string): readonly PageBlock[] {
  const fences =
    /(?:^<!-- (?<word>[a-z]+): (?<value>[^\n]+) -->\n)?^```(?<language>[a-z]*)\n(?<text>[^]*?)^```$/gm
  return [...text.matchAll(fences)].map(({ index, groups = {} }) => {
    const { word, value, language = '', text: block = '' } = groups
    const line = text.slice(0, index).split('\n').length + (word === undefined ? 0 : 1)
    const mark = word === undefined || value === undefined ? {} : { mark: { word, value } }
    return { page, line, language, text: block, ...mark }
  })
}

/** What a `console` block types and reads: commands follow `$ `, and go on after a line that ends with `\`. */
export function parseCommands(text: string): readonly PageCommand[] {
  const commands: { command: string; output: string }[] = []
  let goesOn = false
  for (const line of text.trimEnd().split('\n')) {
    const last = commands.at(-1)
    if (goesOn && last !== undefined) last.command += `\n${line}`
    else if (line.startsWith('$ ')) commands.push({ command: line.slice(2), output: '' })
    else if (last === undefined) throw new Error(`${line} comes before any command`)
    else last.output += `${line}\n`
    goesOn = (goesOn || line.startsWith('$ ')) && line.endsWith('\\')
  }
  return commands
}

/** Whether a command printed what its page shows, where `…` stands for any text. */
export function isShownOutput(shown: string, printed: string): boolean {
  const parts = normalize(shown)
    .split('…')
    .map((part) => RegExp.escape(part))
  return new RegExp(`^${parts.join('[^]*')}$`).test(normalize(printed))
}

function normalize(text: string): string {
  return text.replaceAll(/[ \t\r]+$/gm, '').trimEnd()
}
