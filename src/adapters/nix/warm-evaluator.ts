import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import type { Nix } from './nix.ts'
import type { NixProcess } from './nix-process.ts'

/** Names of some hundred packages with their outputs; what is longer gets a process of its own. */
const answerLimitBytes = 4 * 1024 * 1024

/** The names of a request and what they are asked of; the locked inputs of a large flake are 10 KiB. */
const questionLimitBytes = 64 * 1024

/** What an evaluator is kept for. */
export interface WarmQuestion {
  /** Other content has another one. */
  readonly identity: string
  /** The file of the function that is kept, and what it is called with. */
  readonly expression: string
  readonly view: object
  /** What keeps evaluation to the set. */
  readonly options: readonly string[]
  readonly settings: ReadonlyMap<string, string>
  readonly environment: ReadonlyMap<string, string>
}

/**
 * A Nix evaluator that stays, with everything that it has evaluated of one package set: `nix repl`,
 * which reads expressions from its input. It is asked what another process could answer as well, so
 * it never has to explain anything: an error, an answer that cannot be read, or a crash is
 * `undefined`.
 *
 * What a request brings is never read as code. It is JSON in printable ASCII inside a string, where
 * only quotes and backslashes have to be escaped; there is no `$`, no line end and no key for the
 * line editor.
 */
export class WarmEvaluator {
  readonly #process: NixProcess
  readonly #markers = makeMarkers()
  #isBusy = false
  #hasFailed = false
  #isReady = false

  constructor(nix: Nix, directory: string, question: WarmQuestion) {
    const { expression, view, options, settings, environment } = question
    this.#process = nix.start({
      command: 'nix',
      args: ['repl', '--extra-experimental-features', 'nix-command', ...options],
      settings,
      environment: new Map([
        ...environment,
        ['XDG_DATA_HOME', directory],
        ['XDG_STATE_HOME', directory],
      ]),
    })
    const call = quote({ expression, view })
    const { ready } = this.#markers
    this.#process.write(
      `${parted(ready)}\nkept = let it = builtins.fromJSON ${call}; in import it.expression it.view\n`,
    )
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  /** It may have ended, and is of no use. */
  get hasFailed(): boolean {
    return this.#hasFailed || this.#process.hasFailed
  }

  /** Whether Nix ever began to read. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** What the kept function gives for an argument, as JSON. */
  async ask(argument: unknown): Promise<string | undefined> {
    const question = quote(argument)
    if (question.length > questionLimitBytes) return undefined
    const { ready, begin, end, done } = this.#markers
    const answer = `builtins.toJSON (kept (builtins.fromJSON ${question}))`
    this.#isBusy = true
    try {
      this.#process.write(`${parted(begin)} + ${answer} + ${parted(end)}\n${parted(done)}\n`)
      if (!this.#isReady) await this.#process.readUntil(ready, answerLimitBytes)
      this.#isReady = true
      const text = await this.#process.readUntil(done, answerLimitBytes)
      const from = text.indexOf(begin)
      const to = text.lastIndexOf(end)
      return from === -1 || to === -1 ? undefined : unquote(text.slice(from + begin.length, to))
    } catch {
      this.#hasFailed = true
      return undefined
    } finally {
      this.#isBusy = false
    }
  }

  /** What it has in memory, in bytes. */
  async residentBytes(): Promise<number> {
    const text = await readFile(`/proc/${this.#process.pid}/statm`, 'latin1').catch(() => '')
    const pages = Number(text.split(' ')[1] ?? 0)
    return pages * pageBytes
  }

  end(): Promise<void> {
    this.#hasFailed = true
    return this.#process.kill()
  }
}

/** What stands around answers. A set cannot forge one: it does not know the number. */
function makeMarkers() {
  const nonce = randomBytes(16).toString('hex')
  return {
    ready: `ready-${nonce}`,
    begin: `begin-${nonce}`,
    end: `end-${nonce}`,
    done: `done-${nonce}`,
  }
}

/** A marker that Nix puts together, because its line editor repeats what it reads. */
function parted(marker: string): string {
  return `"${marker.slice(0, 3)}" + "${marker.slice(3)}"`
}

/** Where pages are larger, a process takes less than it is counted for. */
const pageBytes = 4096

/** A Nix string that holds a value as JSON. */
export function quote(value: unknown): string {
  const json = JSON.stringify(value).replace(/[^ -~]|\$/g, escapeCharacter)
  return `"${json.replace(/[\\"]/g, '\\$&')}"`
}

/** By its UTF-16 units, as JSON has it. */
function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

const escapes: ReadonlyMap<string, string> = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/** What Nix prints of a string, which quotes itself so that a backslash stands for nothing else. */
export function unquote(printed: string): string {
  return printed.replace(/\\(.)/gs, (_, character: string) => escapes.get(character) ?? character)
}
