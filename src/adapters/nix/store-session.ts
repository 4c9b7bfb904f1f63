import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import type { ClosureNode } from '#core/nix/closure-graph.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Nix } from './nix.ts'
import type { NixProcess } from './nix-process.ts'
import {
  formatList,
  formatNumber,
  formatString,
  readBoolean,
  readList,
  readNumber,
  readString,
  type Reading,
} from './wire-format.ts'

// Of libstore/worker-protocol.hh, the same since Nix 1.x.
const clientMagic = 0x6e697863
const serverMagic = 0x6478696f
const operations = {
  addTemporaryRoot: 11,
  addIndirectRoot: 12,
  queryPathInfo: 26,
  queryValidPaths: 31,
  queryDerivationOutputs: 41,
} as const
const messages = {
  last: 0x616c7473,
  text: 0x6f6c6d67,
  startActivity: 0x53545254,
  stopActivity: 0x53544f50,
  result: 0x52534c54,
} as const

/** Minor versions of protocol 1: the oldest has every operation above, in the form used here. */
const oldestMinor = 27
const newestMinor = 35

/** Log lines and activities that a daemon tells first; our questions cause a few at most, so one that goes on is broken. */
const messagesBeforeAnswer = 10_000

/** Of a closure: more than any store has. */
const mostPaths = 1_000_000

/**
 * A Nix process that answers questions about the store, in the protocol that Nix speaks with its
 * daemon (`nix-daemon --stdio`): as root on the store itself, for others as far as their daemon lets
 * them. A question takes a fraction of a millisecond, a command 40. Nix makes no promise about the
 * store that it does not keep: nothing is remembered between questions.
 *
 * Any surprise ends the session with an error; what it was to say is then asked of commands.
 */
export class StoreSession {
  readonly #process: NixProcess
  /** Settles when everything that was asked is answered. */
  #last: Promise<unknown>
  #isOpen = false
  #temporaryRoots = 0

  constructor(nix: Nix) {
    // Between a daemon and its client it only passes on.
    const wantsPipes = nix.installation.store.access === 'daemon'
    this.#process = nix.start({ command: 'nix-daemon', args: ['--stdio'], wantsPipes })
    this.#last = this.#orEnd(this.#greet())
  }

  /** Whether Nix has greeted. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Paths that this session has kept from being collected; they are held until it ends. */
  get temporaryRoots(): number {
    return this.#temporaryRoots
  }

  get hasEnded(): boolean {
    return this.#process.hasFailed
  }

  /** Those of the paths that are in the store. */
  async validPaths(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    const noSubstitution = formatNumber(0)
    const question = [formatNumber(operations.queryValidPaths), formatList(paths), noSubstitution]
    const [valid] = await this.#ask(question, [readAnswer(readPaths())])
    return new Set(valid)
  }

  /**
   * Keeps paths from being collected, then says which of them are in the store. That is the order
   * that counts: a collector hears of temporary roots while it runs.
   */
  async holdValidPaths(paths: readonly StorePath[]): Promise<ReadonlySet<StorePath>> {
    this.#temporaryRoots += paths.length
    const question = paths.flatMap((path) => [
      formatNumber(operations.addTemporaryRoot),
      formatString(path),
    ])
    await this.#ask(
      question,
      paths.map(() => readAnswer(readNumber())),
    )
    return this.validPaths(paths)
  }

  /** Makes symbolic links into the store garbage collector roots for as long as they are there. */
  async addIndirectRoots(links: readonly string[]): Promise<void> {
    const question = links.flatMap((link) => [
      formatNumber(operations.addIndirectRoot),
      formatString(link),
    ])
    await this.#ask(
      question,
      links.map(() => readAnswer(readNumber())),
    )
  }

  /** What derivations make that are in the store, by derivation. */
  async outputsOf(
    derivations: readonly StorePath[],
  ): Promise<ReadonlyMap<StorePath, ReadonlySet<StorePath>>> {
    const question = derivations.flatMap((path) => [
      formatNumber(operations.queryDerivationOutputs),
      formatString(path),
    ])
    const answers = await this.#ask(
      question,
      derivations.map(() => readAnswer(readOutputs())),
    )
    return new Map(derivations.map((path, index) => [path, new Set(answers[index])]))
  }

  /** The closure of paths, by path; `undefined` when one of them is not in the store. */
  async closure(roots: readonly StorePath[]): Promise<readonly ClosureNode[] | undefined> {
    const nodes = new Map<StorePath, ClosureNode>()
    let next: readonly StorePath[] = roots
    while (next.length > 0) {
      const found = await this.#describe(next)
      for (const node of found) {
        if (node === undefined) return undefined
        nodes.set(node.path, node)
      }
      if (nodes.size > mostPaths) return refuse('a closure without end')
      const named = new Set(found.flatMap((node) => node?.references ?? []))
      next = [...named].filter((path) => !nodes.has(path))
    }
    return [...nodes.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async end(): Promise<void> {
    await this.#process.kill()
  }

  async #describe(paths: readonly StorePath[]): Promise<readonly (ClosureNode | undefined)[]> {
    const question = paths.flatMap((path) => [
      formatNumber(operations.queryPathInfo),
      formatString(path),
    ])
    return this.#ask(
      question,
      paths.map((path) => readAnswer(readNode(path))),
    )
  }

  async #greet(): Promise<void> {
    this.#process.write(formatNumber(clientMagic))
    const minor = await this.#process.read(readGreeting())
    // No processor affinity, no reserved space: both are of old times.
    this.#process.write(numbers((1 << 8) | minor, 0, 0))
    await this.#process.read(readWelcome(minor))
    this.#isOpen = true
  }

  /** Sends questions together and reads their answers, after everything that was asked before. */
  #ask<T>(question: readonly Buffer[], answers: readonly Reading<T>[]): Promise<T[]> {
    const asked = this.#last.then(async () => {
      this.#process.write(Buffer.concat(question))
      const read: T[] = []
      for (const answer of answers) read.push(await this.#process.read(answer))
      return read
    })
    this.#last = this.#orEnd(asked)
    return asked
  }

  /** Whoever asks next fails alike; this one's caller hears of it by itself. */
  #orEnd(work: Promise<unknown>): Promise<unknown> {
    work.catch(() => void this.end())
    return work
  }
}

function* readGreeting(): Reading<number> {
  if ((yield* readNumber()) !== serverMagic) return refuse('a greeting of something else')
  const version = yield* readNumber()
  const minor = Math.min(version & 0xff, newestMinor)
  if (version >> 8 !== 1 || minor < oldestMinor) return refuse(`protocol version ${version}`)
  return minor
}

function* readWelcome(minor: number): Reading<void> {
  if (minor >= 33) yield* readString() // Nix's version
  if (minor >= 35) yield* readNumber() // whether it trusts us
  yield* skipMessages()
}

/** What Nix has to say on its way comes before every answer; an error instead of one ends all. */
function* readAnswer<T>(reading: Reading<T>): Reading<T> {
  yield* skipMessages()
  return yield* reading
}

function* skipMessages(): Reading<void> {
  for (let count = 0; count < messagesBeforeAnswer; count += 1) {
    switch (yield* readNumber()) {
      case messages.last:
        return
      case messages.text:
        yield* readString()
        break
      case messages.startActivity:
        yield* skipNumbers(3)
        yield* readString()
        yield* skipFields()
        yield* readNumber()
        break
      case messages.stopActivity:
        yield* readNumber()
        break
      case messages.result:
        yield* skipNumbers(2)
        yield* skipFields()
        break
      default:
        return refuse('an error, or a message that this version cannot read')
    }
  }
  return refuse('messages without end')
}

function* skipNumbers(count: number): Reading<void> {
  for (let done = 0; done < count; done += 1) yield* readNumber()
}

function* skipFields(): Reading<void> {
  yield* readList(function* () {
    if ((yield* readNumber()) === 0) yield* readNumber()
    else yield* readString()
  })
}

function* readNode(path: StorePath): Reading<ClosureNode | undefined> {
  if (!(yield* readBoolean())) return undefined
  yield* readString() // deriver
  yield* readString() // NAR's hash
  const references = yield* readPaths()
  yield* readNumber() // registration time
  const narSizeBytes = yield* readNumber()
  yield* readNumber() // built here
  yield* readList(readString) // signatures
  yield* readString() // content address
  const others = [...new Set(references)].filter((reference) => reference !== path).sort()
  return { path, narSizeBytes, references: others }
}

/** By output name; an output without a path depends on what is built. */
function* readOutputs(): Reading<readonly StorePath[]> {
  const outputs = yield* readList(function* () {
    yield* readString()
    return yield* readString()
  })
  return outputs.map(parseStorePath).filter((path) => path !== undefined)
}

function* readPaths(): Reading<readonly StorePath[]> {
  const texts = yield* readList(readString)
  return texts.map((text) => parseStorePath(text) ?? refuse(`"${text}" for a store path`))
}

function numbers(...values: readonly number[]): Buffer {
  return Buffer.concat(values.map(formatNumber))
}

function refuse(what: string): never {
  throw new OperatingError('NIX_FAILED', `the Nix store answers with ${what}`)
}
