import { rm } from 'node:fs/promises'
import { Semaphore } from '#adapters/concurrency/semaphore.ts'
import type { CacheKey, CanonicalValue } from '#core/request/cache-key.ts'
import type { PackageSearch, SearchOutcome } from '#engine/ports/package-search.ts'
import {
  findSource,
  type PackageSet,
  type PackageSource,
  type PackageSources,
  type PinnedSource,
} from '#engine/ports/package-source.ts'
import { IndexFiles } from './index-files.ts'
import { indexViewKey, type IndexOrigin } from './index-format.ts'
import type { IndexOutcome } from './make-index.ts'
import { PackageIndex } from './package-index.ts'

export interface PackageSearchOptions {
  readonly sources: PackageSources
  /** Where indexes are kept; processes may share it. Made when it is not there. */
  readonly directory: string
  /** Whose packages are listed: `linux/amd64`; what these differ in is that of the first. */
  readonly platforms: readonly string[]
  /** What else decides, beside the set, what is listed. */
  readonly view: CanonicalValue
  /** Writes an index to a new file; one that is aborted may leave it there. */
  readonly makeIndex: (
    set: PackageSet,
    file: { readonly path: string; readonly origin: IndexOrigin },
    signal: AbortSignal,
  ) => Promise<IndexOutcome>
  /**
   * A set that can change under its identity is listed again when somebody searches after so long, and one
   * of which a platform could not be listed for a reason that may pass.
   */
  readonly liveIndexMs: number
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
  readonly report: (event: ListingEvent) => void
}

/** What happens to the index of a source, called as it is configured. */
export type ListingEvent =
  | {
      readonly kind: 'listed'
      readonly source: string
      readonly revision: string
      readonly packages: number
      /** Attributes that could not be evaluated. */
      readonly left: number
      /** Platforms of which nothing could be listed, and why, in one line. */
      readonly unlisted: readonly { readonly platform: string; readonly message: string }[]
      readonly tookMs: number
    }
  | { readonly kind: 'unlistable'; readonly source: string; readonly message: string }
  /** For reasons that lie not in the source; it is tried again. */
  | { readonly kind: 'failed'; readonly source: string; readonly error: unknown }
  /** The file is removed and made again. */
  | { readonly kind: 'damaged'; readonly source: string; readonly error: unknown }

export interface OpenedPackageSearch extends PackageSearch {
  /**
   * Lists what is not listed yet of a source, or of all, so that the first who searches need not wait
   * for it. Ends when the search is closed; never fails.
   */
  prepare(source?: string): Promise<void>
  /** Ends what is being listed. */
  close(): Promise<void>
}

/** Whoever searches asks a source no more often than so whether it has moved. */
const checkEveryMs = 60_000

/** After a listing that was in vain, which may have taken long. */
const retryAfterMs = 5 * 60_000

/**
 * Searches indexes that are made in the background, one at a time, when somebody searches a source
 * that has none, or that has moved since. Until the new one is there the old one answers, also after
 * a restart.
 */
export async function createPackageSearch(
  options: PackageSearchOptions,
): Promise<OpenedPackageSearch> {
  const files = await IndexFiles.open(options.directory)
  const closing = new AbortController()
  const tools = { ...options, files, turns: new Semaphore(1), signal: closing.signal }
  const searched = new Map<PackageSource, SearchedSource>()
  // The source that names without one mean has a name of its own, too.
  for (const [name, source] of [...options.sources].sort(([a], [b]) => b.length - a.length))
    if (!searched.has(source)) searched.set(source, new SearchedSource(name, source, tools))
  let preparing: Promise<void> | undefined
  return {
    async search(source, words, most, signal) {
      const found = searched.get(findSource(options.sources, source))!
      const outcome = await found.search(words, most)
      signal.throwIfAborted()
      return outcome
    },
    prepare(source) {
      if (source !== undefined) return searched.get(findSource(options.sources, source))!.prepare()
      preparing ??= prepareAll(searched.values()).finally(() => (preparing = undefined))
      return preparing
    },
    async close() {
      closing.abort(new DOMException('the service ends', 'AbortError'))
      await Promise.all(searched.values().map((each) => each.close()))
      await files.close()
    },
  }
}

/** One after the other: there may be a hundred, and their origins are asked. */
async function prepareAll(sources: Iterable<SearchedSource>): Promise<void> {
  for (const each of sources) await each.prepare()
}

interface SearchTools extends PackageSearchOptions {
  readonly files: IndexFiles
  /** Listings run one after the other. */
  readonly turns: Semaphore
  readonly signal: AbortSignal
}

/** A source and its index. */
class SearchedSource {
  readonly #name: string
  readonly #source: PackageSource
  readonly #tools: SearchTools
  readonly #view: CacheKey
  #index: PackageIndex | undefined
  #failure: string | undefined
  #restored: Promise<void> | undefined
  #checking: Promise<void> | undefined
  #nextCheckMs = 0

  constructor(name: string, source: PackageSource, tools: SearchTools) {
    this.#name = name
    this.#source = source
    this.#tools = tools
    this.#view = indexViewKey(name, tools)
  }

  async search(words: string, most: number): Promise<SearchOutcome> {
    void this.prepare()
    await this.#restored
    const index = this.#index
    if (index !== undefined) {
      try {
        return index.search(words, most)
      } catch (error) {
        await this.#removeDamaged(index.path, error)
      }
    }
    return this.#failure === undefined
      ? { kind: 'listing' }
      : { kind: 'unsearchable', message: this.#failure }
  }

  /** Looks whether the source has moved, and lists it when it has; never fails. */
  async prepare(): Promise<void> {
    const { nowMs, signal } = this.#tools
    if (signal.aborted || nowMs() < this.#nextCheckMs) return
    this.#restored ??= this.#restore()
    this.#checking ??= this.#check().finally(() => (this.#checking = undefined))
    await this.#checking
  }

  async close(): Promise<void> {
    await this.#restored
    await this.#checking
    this.#index?.[Symbol.dispose]()
    this.#index = undefined
  }

  /** What a process listed before, whatever the source has become; what cannot be read is listed anew. */
  async #restore(): Promise<void> {
    try {
      const path = await this.#tools.files.newest(this.#view)
      if (path !== undefined) await this.#open(path)
    } catch (error) {
      this.#tools.report({ kind: 'failed', source: this.#name, error })
    }
  }

  async #check(): Promise<void> {
    const { nowMs, report, signal } = this.#tools
    try {
      await this.#restored
      this.#failure = await this.#bringUpToDate()
      if (this.#failure !== undefined)
        report({ kind: 'unlistable', source: this.#name, message: this.#failure })
    } catch (error) {
      if (signal.aborted) return
      this.#failure = 'the packages cannot be listed now; the log of the service says why'
      report({ kind: 'failed', source: this.#name, error })
    }
    this.#nextCheckMs = nowMs() + (this.#failure === undefined ? checkEveryMs : retryAfterMs)
  }

  /** Why the source cannot be searched; `undefined` when it can. */
  async #bringUpToDate(): Promise<string | undefined> {
    const { files, turns, signal } = this.#tools
    const pin = await this.#source.pin('latest', signal)
    if (pin.kind !== 'pinned') return pin.message
    const { pinned } = pin
    if (await this.#isServed(pinned)) return undefined
    // Another process may have listed it, or this one before the source moved to and fro.
    const listed = files.pathOf(this.#view, pinned.identity)
    if (pinned.fixed && (await this.#open(listed)) && (await this.#isServed(pinned)))
      return undefined
    return turns.run(() => this.#list(pinned))
  }

  /** What somebody removed is answered from until there is another one, which the next start finds. */
  async #isServed({ identity, fixed }: PinnedSource): Promise<boolean> {
    if (this.#index?.facts.identity !== identity) return false
    if (!(await this.#tools.files.use(this.#index.path))) return false
    const { nowMs, liveIndexMs } = this.#tools
    const { isProvisional, listedAtMs } = this.#index.facts
    return (fixed && !isProvisional) || nowMs() - listedAtMs < liveIndexMs
  }

  async #list(pinned: PinnedSource): Promise<string | undefined> {
    const { files, makeIndex, nowMs, report, signal } = this.#tools
    signal.throwIfAborted()
    const fetched = await this.#source.fetch(pinned, signal)
    if (fetched.kind !== 'fetched') return fetched.message
    const { identity, revision } = pinned
    const origin = { identity, revision, listedAtMs: nowMs() }
    const unfinished = await files.newPath()
    try {
      const outcome = await makeIndex(fetched.set, { path: unfinished, origin }, signal)
      if (outcome.kind === 'unlistable') return outcome.message
      const path = files.pathOf(this.#view, identity)
      await files.publish(unfinished, path)
      await this.#open(path)
      const tookMs = nowMs() - origin.listedAtMs
      report({ ...outcome, source: this.#name, revision, tookMs })
      return undefined
    } finally {
      await rm(unfinished, { force: true })
    }
  }

  /** Serves an index from now on; false when there is none that can be read. */
  async #open(path: string): Promise<boolean> {
    const { files } = this.#tools
    if (!(await files.use(path))) return false
    try {
      const opened = new PackageIndex(path)
      this.#index?.[Symbol.dispose]()
      this.#index = opened
      return true
    } catch (error) {
      await this.#removeDamaged(path, error)
      return false
    }
  }

  async #removeDamaged(path: string, error: unknown): Promise<void> {
    this.#tools.report({ kind: 'damaged', source: this.#name, error })
    if (this.#index?.path === path) {
      this.#index[Symbol.dispose]()
      this.#index = undefined
    }
    await this.#tools.files.remove(path)
  }
}
