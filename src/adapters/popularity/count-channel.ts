import { join } from 'node:path'
import { parseNarinfo } from '#core/nix/narinfo.ts'
import { storePathBaseName, type StorePath } from '#core/nix/store-path.ts'
import { PopularityCount, referencedNames } from '#core/layers/popularity-count.ts'
import { digestHex, digestOf } from '#core/oci/digest.ts'
import { runInLanes } from '#engine/run-in-lanes.ts'
import { readChannelPaths } from './channel-paths.ts'
import { readPersistently, type Persistence } from './read-persistently.ts'
import { WorkFile } from './work-file.ts'
import { writePopularity } from './write-popularity.ts'

export interface ChannelOptions {
  /** A name such as `nixos-unstable`, or the address of the directory that holds `store-paths.xz`. */
  readonly channel: string
  /** The address of the binary cache that has the channel's narinfos. */
  readonly cache: string
  /** The popularity file to write. */
  readonly outPath: string
  /** Where the progress of an interrupted run is kept. */
  readonly workDirectory: string
  /** Narinfos that are asked for at the same time. */
  readonly concurrency: number
  readonly patience?: Patience
}

/** For each narinfo. */
type Patience = Pick<Persistence, 'deadlineMs' | 'retryDelaysMs'>

export interface ChannelCount {
  readonly names: number
  readonly paths: number
  /** Store paths that the cache does not have. */
  readonly missing: number
  /** Addresses of narinfos that are none; sorted. */
  readonly unusable: readonly string[]
}

// Outlasts the restart of a proxy; whoever waits longer runs the command again.
const usualPatience: Patience = {
  deadlineMs: 30_000,
  retryDelaysMs: [500, 1_000, 2_000, 4_000, 8_000, 16_000],
}

// A narinfo has 1 KB; one with ten thousand references would have 1 MB.
const maxNarinfoBytes = 2 * 1024 * 1024

/**
 * Counts how many store paths of a channel refer to each name, by what a binary cache says of them,
 * and writes the popularity file. Goes on where a run for the same revision was interrupted. Throws what ends the count: an address
 * that stays unreachable, a cache that has nothing of the channel, an aborted `signal`.
 */
export async function countChannel(
  options: ChannelOptions,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<ChannelCount> {
  const { patience = usualPatience } = options
  const channel = channelAddress(options.channel)
  const cache = directoryAddress(options.cache)
  const { digest, paths } = await readChannelPaths(channel, patience, signal)

  const count = new PopularityCount()
  const remaining = new Map(paths.map((path) => [hashOf(path), path]))
  const recall = (hash: string, names: readonly string[]) => {
    if (remaining.delete(hash)) count.add(names)
  }
  const name = workFileName(channel, cache)
  await using work = await WorkFile.open(join(options.workDirectory, name), digest, recall)

  let done = paths.length - remaining.size
  let missing = 0
  const unusable: string[] = []
  onProgress(done, paths.length)

  async function lookUp([hash, path]: readonly [string, StorePath], until: AbortSignal) {
    const url = new URL(`${hash}.narinfo`, cache)
    const limits = { ...patience, maxBytes: maxNarinfoBytes }
    const reading = await readPersistently(url, limits, until)
    switch (reading.kind) {
      case 'absent':
        missing += 1
        break
      case 'too-large':
        unusable.push(url.href)
        break
      case 'failed':
      case 'refused':
        throw reading.error
      case 'read': {
        const narinfo = parseNarinfo(reading.bytes.toString('latin1'))
        if (narinfo?.path === path) {
          const names = referencedNames(path, narinfo.references)
          count.add(names)
          work.add(hash, names)
        } else unusable.push(url.href)
      }
    }
    done += 1
    onProgress(done, paths.length)
  }

  await runInLanes(remaining, options.concurrency, lookUp, signal)
  if (missing + unusable.length === paths.length)
    throw new Error(`${cache.href} has no store path of ${channel.href}`)
  const ratings = count.ratings()
  await writePopularity(options.outPath, ratings)
  await work.remove()
  return { names: ratings.size, paths: paths.length, missing, unusable: unusable.sort() }
}

const channelsAddress = 'https://channels.nixos.org/'

function channelAddress(channel: string): URL {
  return directoryAddress(channel.includes(':') ? channel : `${channelsAddress}${channel}`)
}

/** With the slash at the end that makes names relative to it. */
function directoryAddress(text: string): URL {
  return new URL(text.endsWith('/') ? text : `${text}/`)
}

/** One file for each channel: progress of its older revisions is of no use. */
function workFileName(channel: URL, cache: URL): string {
  const digest = digestHex(digestOf(`${channel.href} ${cache.href}`))
  return `nixery-popularity-${digest.slice(0, 16)}.jsonl`
}

function hashOf(path: StorePath): string {
  return storePathBaseName(path).slice(0, 32)
}
