import type { CacheKey } from '#core/request/cache-key.ts'
import type { EntryKind, EntryStore } from '../ports/entry-store.ts'
import type { StorageUpkeep, StoredEntry } from '../ports/storage-upkeep.ts'
import { runInLanes } from '../run-in-lanes.ts'

export interface ReadEntry<Value> extends StoredEntry {
  /** `undefined` for what is no entry. */
  readonly value: Value | undefined
}

// Each is a request to the bucket, most of whose time goes by waiting.
const readsAtOnce = 16

/**
 * Lists the entries of one kind again and again. Each is read once, since entries never change; one
 * that was removed and written anew has another time.
 */
export class EntryReader<Value> {
  readonly #entries: EntryStore
  readonly #upkeep: Pick<StorageUpkeep, 'entries'>
  readonly #kind: EntryKind
  readonly #parse: (value: unknown) => Value | undefined
  readonly #most: number
  #known: ReadonlyMap<CacheKey, ReadEntry<Value>> = new Map()

  constructor(
    {
      entries,
      upkeep,
    }: { readonly entries: EntryStore; readonly upkeep: Pick<StorageUpkeep, 'entries'> },
    kind: EntryKind,
    parse: (value: unknown) => Value | undefined,
    most = Number.POSITIVE_INFINITY,
  ) {
    this.#entries = entries
    this.#upkeep = upkeep
    this.#kind = kind
    this.#parse = parse
    this.#most = most
  }

  /** All that there are now, or the newest ones. */
  async readAll(
    onRead: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<readonly ReadEntry<Value>[]> {
    const all = await Array.fromAsync(this.#upkeep.entries(this.#kind, signal))
    const isBounded = all.length > this.#most
    const listed = isBounded ? all.toSorted(compareAge).slice(0, this.#most) : all
    const read = new Map<CacheKey, ReadEntry<Value>>()
    let done = 0
    await runInLanes(
      listed,
      readsAtOnce,
      async ({ key, changedMs }) => {
        const known = this.#known.get(key)
        const entry =
          known?.changedMs === changedMs ? known : await this.#read(key, changedMs, signal)
        if (entry !== undefined) read.set(key, entry)
        done += 1
        onRead(done, listed.length)
      },
      signal,
    )
    this.#known = read
    return [...read.values()]
  }

  /** `undefined` when it has gone meanwhile. */
  async #read(
    key: CacheKey,
    changedMs: number,
    signal: AbortSignal,
  ): Promise<ReadEntry<Value> | undefined> {
    const value = await this.#entries.get(this.#kind, key, signal)
    return value === undefined ? undefined : { key, changedMs, value: this.#parse(value) }
  }
}

function compareAge(one: StoredEntry, other: StoredEntry): number {
  return other.changedMs - one.changedMs
}
