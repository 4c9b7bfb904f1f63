import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { SharedWork } from '#adapters/concurrency/shared-work.ts'
import { Semaphore } from '#adapters/concurrency/semaphore.ts'
import { digestHex, digestOf } from '#core/oci/digest.ts'
import { isCommit } from '#core/request/git-reference.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Clock } from '#engine/ports/clock.ts'

export interface PinMemoryOptions {
  /** Of this source alone. */
  readonly directory: string
  /** So long an answer of the origin is good. */
  readonly ttlMs: number
  readonly clock: Clock
  readonly now?: () => number
  /** Called once when the origin is lost, and once when it is back. */
  readonly onOutage: (error: unknown) => void
  readonly onRecovery: () => void
  /** A reference leads elsewhere than before; `before` is unset for one that was not known. */
  readonly onMove?: ((reference: string, commit: string, before?: string) => void) | undefined
}

/** What a reference leads to; stale when the origin cannot say whether it still does. */
export interface RememberedPin {
  readonly commit: string
  /** Milliseconds since 1970 when the origin last said so. */
  readonly staleSinceMs?: number
}

interface Pin {
  readonly commit: string
  readonly checkedAtMs: number
  /** Before this the origin is not asked again. */
  readonly retryAtMs: number
}

const pinSchema = z.object({
  reference: z.string(),
  commit: z.string().refine(isCommit),
  checkedAtMs: z.number(),
})

// Whoever pulls waits so long for news of something that is known.
const patienceMs = 5_000

/** A lost origin is asked so often. */
const retryMs = 30_000

/** So long nobody asks again for what is not there, or for what failed. */
const negativeLifeMs = 5_000

/** Names that the origin is asked for at once; strangers make them up. */
const asksAtOnce = 8

// Strangers choose tags; a registry with more branches in use forgets the oldest.
const mostReferences = 1_000

const mostCommits = 10_000

/**
 * What the moving references of one source led to, with the commits that may be served:
 *
 *     pins/<source>/references/<digest of the reference>.json   {reference, commit, checkedAtMs}
 *     pins/<source>/commits/<commit>                            empty: a branch or tag leads to it
 *
 * An answer is good for its time. After that the origin is asked again; while it cannot answer, the
 * old answer goes on, so an outage or a restart in one costs nobody an image. A lost origin is asked
 * in the background, and not for every pull. A reference that the origin has no more is forgotten.
 */
export class PinMemory {
  readonly #options: PinMemoryOptions
  readonly #now: () => number
  readonly #pins = new Map<string, Pin>()
  readonly #negatives = new Map<string, { readonly untilMs: number; readonly error?: unknown }>()
  readonly #asking = new SharedWork<string | undefined>()
  readonly #renewing = new SharedWork<RememberedPin | undefined>()
  readonly #asks = new Semaphore(asksAtOnce)
  readonly #closing = new AbortController()
  #commits: Promise<Set<string>> | undefined
  #isLost = false

  constructor(options: PinMemoryOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /**
   * The commit of a reference, from memory or from `ask`, which gives `undefined` for a reference that
   * the origin does not have, and throws an `OperatingError` when it cannot be asked.
   */
  async resolve(
    reference: string,
    ask: (signal: AbortSignal) => Promise<string | undefined>,
    signal: AbortSignal,
  ): Promise<RememberedPin | undefined> {
    const pin = this.#pins.get(reference) ?? (await this.#load(reference))
    if (pin === undefined) return this.#askFirst(reference, ask, signal)
    if (this.#isGood(pin)) return { commit: pin.commit }
    if (this.#now() < pin.retryAtMs) return stale(pin)
    return this.#renewing.run(reference, () => this.#renew(reference, pin, ask), signal)
  }

  /** The commit of a reference, if the origin has said so within the time that its answers are good for. */
  recall(reference: string): RememberedPin | undefined {
    const pin = this.#pins.get(reference)
    return pin !== undefined && this.#isGood(pin) ? { commit: pin.commit } : undefined
  }

  #isGood({ checkedAtMs }: Pin): boolean {
    const ageMs = this.#now() - checkedAtMs
    return ageMs >= 0 && ageMs < this.#options.ttlMs
  }

  /** Whether the commit was found to be one that may be served. */
  async knows(commit: string): Promise<boolean> {
    return (await this.#readCommits()).has(commit)
  }

  async remember(commit: string): Promise<void> {
    const commits = await this.#readCommits()
    if (commits.has(commit)) return
    await guardFilesystem('cannot remember a commit', () =>
      writeFile(join(this.#commitDirectory, commit), ''),
    )
    commits.add(commit)
    for (const oldest of commits) {
      if (commits.size <= mostCommits) break
      commits.delete(oldest)
      await rm(join(this.#commitDirectory, oldest), { force: true })
    }
  }

  /** Ends what is asked in the background. */
  close(): void {
    this.#closing.abort(new DOMException('the service ends', 'AbortError'))
  }

  async #askFirst(
    reference: string,
    ask: (signal: AbortSignal) => Promise<string | undefined>,
    signal: AbortSignal,
  ): Promise<RememberedPin | undefined> {
    const negative = this.#negatives.get(reference)
    if (negative !== undefined && this.#now() < negative.untilMs) {
      if (negative.error !== undefined) throw negative.error
      return undefined
    }
    const commit = await this.#ask(reference, ask, signal)
    return commit === undefined ? undefined : { commit }
  }

  /** The new answer if it comes soon, else the old one; the question goes on. */
  async #renew(
    reference: string,
    pin: Pin,
    ask: (signal: AbortSignal) => Promise<string | undefined>,
  ): Promise<RememberedPin | undefined> {
    const { promise: late, resolve: giveUp } = Promise.withResolvers<'late'>()
    const stopWaiting = this.#options.clock.after(patienceMs, () => giveUp('late'))
    const asking = this.#ask(reference, ask, this.#closing.signal)
    try {
      const answer = await Promise.race([asking, late])
      if (answer === undefined) return undefined
      if (answer !== 'late') return { commit: answer }
      asking.catch(() => undefined) // told by #ask, and nobody waits for it here any more
      this.#noteLoss(new Error(`no answer within ${patienceMs} ms`))
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error
    } finally {
      stopWaiting()
    }
    // The answer may have come while this one was given up.
    const kept = this.#pins.get(reference) ?? pin
    if (kept.checkedAtMs === pin.checkedAtMs)
      this.#pins.set(reference, { ...pin, retryAtMs: this.#now() + retryMs })
    return stale(kept)
  }

  #ask(
    reference: string,
    ask: (signal: AbortSignal) => Promise<string | undefined>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    return this.#asking.run(
      reference,
      async (until) => {
        try {
          const commit = await this.#asks.run(() => ask(until))
          this.#noteAnswer()
          await this.#keep(reference, commit)
          return commit
        } catch (error) {
          if (error instanceof OperatingError) this.#noteFailure(reference, error)
          throw error
        }
      },
      signal,
    )
  }

  async #keep(reference: string, commit: string | undefined): Promise<void> {
    if (commit === undefined) {
      this.#pins.delete(reference)
      this.#noteNegative(reference, {})
      await guardFilesystem('cannot forget a reference', () =>
        rm(this.#path(reference), { force: true }),
      )
      return
    }
    const checkedAtMs = this.#now()
    const before = this.#pins.get(reference)?.commit
    if (commit !== before) this.#options.onMove?.(reference, commit, before)
    this.#negatives.delete(reference)
    setBounded(this.#pins, reference, { commit, checkedAtMs, retryAtMs: 0 })
    await guardFilesystem('cannot remember a reference', () =>
      this.#write(reference, JSON.stringify({ reference, commit, checkedAtMs })),
    )
  }

  async #write(reference: string, text: string): Promise<void> {
    await mkdir(this.#referenceDirectory, { recursive: true })
    // Beside and renamed: two processes may write, and a crash leaves the old one.
    const unfinished = join(this.#options.directory, `${randomUUID()}.new`)
    try {
      await writeFile(unfinished, text, { flush: true })
      await rename(unfinished, this.#path(reference))
    } finally {
      await rm(unfinished, { force: true })
    }
    await this.#removeOldest()
  }

  async #removeOldest(): Promise<void> {
    const names = await readdir(this.#referenceDirectory)
    if (names.length <= mostReferences) return
    const paths = names.map((name) => join(this.#referenceDirectory, name))
    const ages = await Promise.all(
      paths.map(async (path) => (await unlessMissing(stat(path)))?.mtimeMs ?? 0),
    )
    const byAge = paths.map((path, index) => ({ path, age: ages[index]! }))
    byAge.sort((a, b) => a.age - b.age)
    for (const { path } of byAge.slice(0, names.length - mostReferences))
      await rm(path, { force: true })
  }

  async #load(reference: string): Promise<Pin | undefined> {
    const text = await guardFilesystem('cannot read what a reference led to', () =>
      unlessMissing(readFile(this.#path(reference), 'utf8')),
    )
    // Another caller may have learnt something newer meanwhile.
    const known = this.#pins.get(reference)
    if (known !== undefined) return known
    const parsed = text === undefined ? undefined : parsePin(text)
    if (parsed?.reference !== reference) return undefined
    const pin = { commit: parsed.commit, checkedAtMs: parsed.checkedAtMs, retryAtMs: 0 }
    setBounded(this.#pins, reference, pin)
    return pin
  }

  #readCommits(): Promise<Set<string>> {
    this.#commits ??= guardFilesystem('cannot read the commits that are served', async () => {
      await mkdir(this.#commitDirectory, { recursive: true })
      return new Set((await readdir(this.#commitDirectory)).filter(isCommit))
    })
    // A failure is not kept.
    this.#commits.catch(() => (this.#commits = undefined))
    return this.#commits
  }

  #noteFailure(reference: string, error: OperatingError): void {
    if (!this.#pins.has(reference)) this.#noteNegative(reference, { error })
    if (error.code === 'SOURCE_UNAVAILABLE') this.#noteLoss(error)
  }

  #noteNegative(reference: string, why: { readonly error?: unknown }): void {
    setBounded(this.#negatives, reference, { ...why, untilMs: this.#now() + negativeLifeMs })
  }

  #noteLoss(error: unknown): void {
    if (!this.#isLost) this.#options.onOutage(error)
    this.#isLost = true
  }

  #noteAnswer(): void {
    if (this.#isLost) this.#options.onRecovery()
    this.#isLost = false
  }

  #path(reference: string): string {
    return join(this.#referenceDirectory, `${digestHex(digestOf(reference))}.json`)
  }

  get #referenceDirectory(): string {
    return join(this.#options.directory, 'references')
  }

  get #commitDirectory(): string {
    return join(this.#options.directory, 'commits')
  }
}

function stale({ commit, checkedAtMs }: Pin): RememberedPin {
  return { commit, staleSinceMs: checkedAtMs }
}

/** Keeps a map from growing: the entry that was set first goes. */
function setBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= mostReferences) return
    map.delete(oldest)
  }
}

function parsePin(text: string): z.output<typeof pinSchema> | undefined {
  try {
    return pinSchema.parse(JSON.parse(text))
  } catch {
    // Damaged: the origin knows it.
    return undefined
  }
}
