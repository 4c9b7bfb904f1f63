import type { Digest } from '#core/oci/digest.ts'
import { abortable } from '../abortable.ts'
import { OperatingError } from '../operating-error.ts'
import type { Clock } from '../ports/clock.ts'
import type { EntryStore } from '../ports/entry-store.ts'
import type { StorageUpkeep } from '../ports/storage-upkeep.ts'
import { readImageName, type NameTools } from '../resolve-image.ts'
import { parseManifestEntry } from '../stored-entries.ts'
import { EntryReader } from '../upkeep/read-entries.ts'

/** Which stored images have a layer. */
export interface SharedLayers {
  /** Names in their order, at most 20 of them, and how many there are, but for one. */
  usersOf(
    digest: Digest,
    except: string,
  ): { readonly names: readonly string[]; readonly count: number }
}

/** Knows which layers images share, as it was a minute ago at the most when somebody asked last. */
export interface LayerSharing {
  /** `undefined` while nothing is known yet: a large bucket takes a while. */
  current(signal: AbortSignal): Promise<SharedLayers | undefined>
  close(): void
}

export interface LayerSharingTools extends NameTools {
  readonly entries: EntryStore
  readonly upkeep: Pick<StorageUpkeep, 'entries'>
  /** Milliseconds of a clock that is never set. */
  readonly nowMs: () => number
  readonly clock: Clock
  /** Learns why the storage could not be looked through; what was known stays. */
  readonly onFailure: (error: unknown) => void
}

// Listing a bucket is billed, and nobody misses what was built within the last minute.
const renewMs = 60_000

// A page shows an image without it rather than let people wait.
const patienceMs = 2_000

// The newest ones: 100 layers each, which takes 30 MB.
const mostImages = 10_000

const shownNames = 20

// The event loop serves pulls in between; a thousandth of a second for this many.
const namesPerTurn = 100

/** What images share layers with others; looked for only when somebody asks, and beside everything else. */
export function createLayerSharing(tools: LayerSharingTools): LayerSharing {
  const closing = new AbortController()
  let canonical = new Map<Digest, Digest>()
  const reader = new EntryReader(tools, 'manifests', parseNamedImage, mostImages)
  let known: SharedLayers | undefined
  let endedMs = Number.NEGATIVE_INFINITY
  let renewing: Promise<void> | undefined

  function parseNamedImage(value: unknown): NamedImage | undefined {
    const entry = parseManifestEntry(value)
    if (entry?.about === undefined) return undefined
    return { name: entry.about.name, digests: entry.blobs.map(({ digest }) => intern(digest)) }
  }

  /** Ten thousand images name the same layers a million times. */
  function intern(digest: Digest): Digest {
    const first = canonical.get(digest)
    if (first === undefined) canonical.set(digest, digest)
    return first ?? digest
  }

  async function renew(): Promise<void> {
    try {
      const entries = await reader.readAll(() => {}, closing.signal)
      const users = await indexLayers(
        tools,
        entries.flatMap(({ value }) => value ?? []),
        closing.signal,
      )
      canonical = new Map(users.layers.keys().map((digest) => [digest, digest]))
      known = describeUsers(users)
    } catch (error) {
      if (!closing.signal.aborted) tools.onFailure(error)
    } finally {
      endedMs = tools.nowMs()
      renewing = undefined
    }
  }

  return {
    async current(signal) {
      if (tools.nowMs() - endedMs >= renewMs && !closing.signal.aborted) renewing ??= renew()
      if (renewing !== undefined) await waitFor(renewing, tools.clock, signal)
      return known
    },
    close: () => closing.abort(),
  }
}

interface NamedImage {
  readonly name: string
  readonly digests: readonly Digest[]
}

/** Names in their order, and by layer the places of those that have it. */
interface LayerUsers {
  readonly names: readonly string[]
  readonly layers: ReadonlyMap<Digest, readonly number[]>
}

/** Only names that anybody may pull are told. */
async function indexLayers(
  tools: NameTools & { readonly clock: Clock },
  images: readonly NamedImage[],
  signal: AbortSignal,
): Promise<LayerUsers> {
  const byName = Map.groupBy(images, ({ name }) => name)
  const names = [...byName.keys()].toSorted()
  const layers = new Map<Digest, number[]>()
  for (const [place, name] of names.entries()) {
    if (place % namesPerTurn === 0) await nextTurn(tools.clock, signal)
    if (!(await isServed(tools, name))) continue
    // An index has the layers of its images, and other revisions often the same.
    const digests = new Set(byName.get(name)!.flatMap((image) => image.digests))
    for (const digest of digests) {
      const places = layers.get(digest)
      if (places === undefined) layers.set(digest, [place])
      else places.push(place)
    }
  }
  return { names, layers }
}

async function nextTurn(clock: Clock, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise<void>((resolve) => clock.after(0, resolve))
}

async function isServed(tools: NameTools, name: string): Promise<boolean> {
  try {
    return (await readImageName(tools, name)).kind === 'named'
  } catch (error) {
    // Nobody can pull it either until its operator has mended the spec.
    if (error instanceof OperatingError && error.code === 'SPEC_INVALID') return false
    throw error
  }
}

function describeUsers({ names, layers }: LayerUsers): SharedLayers {
  const placesOfNames = new Map(names.map((name, place) => [name, place]))
  return {
    usersOf(digest, except) {
      const places = layers.get(digest) ?? []
      const own = placesOfNames.get(except)
      const isAmong = own !== undefined && places.includes(own)
      // One more than is shown, since it may be the one that is left out.
      const first = places.slice(0, shownNames + 1).filter((place) => place !== own)
      const shown = first.slice(0, shownNames).map((place) => names[place]!)
      return { names: shown, count: places.length - (isAmong ? 1 : 0) }
    },
  }
}

async function waitFor(work: Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const stop = clock.after(patienceMs, resolve)
  try {
    await abortable(Promise.race([work, late]), signal)
  } finally {
    stop()
  }
}
