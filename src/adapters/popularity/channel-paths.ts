import { digestOf, type Digest } from '#core/oci/digest.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import { readPersistently, type Persistence } from './read-persistently.ts'
import { unpackXz } from './unpack-xz.ts'

/** What one revision of a channel consists of. */
export interface ChannelPaths {
  /** Of the packed list: names the revision. */
  readonly digest: Digest
  /** Each store path once. */
  readonly paths: readonly StorePath[]
}

// nixos-unstable lists 250,000 paths: 20 MB, packed 8.
const maxPackedBytes = 64 * 1024 * 1024
const maxListBytes = 256 * 1024 * 1024

// The whole list over a slow line.
const deadlineMs = 10 * 60_000

/** Reads the `store-paths.xz` of a channel, whose address ends with a slash. */
export async function readChannelPaths(
  channel: URL,
  { retryDelaysMs }: Pick<Persistence, 'retryDelaysMs'>,
  signal: AbortSignal,
): Promise<ChannelPaths> {
  const url = new URL('store-paths.xz', channel)
  const limits = { maxBytes: maxPackedBytes, deadlineMs, retryDelaysMs }
  const reading = await readPersistently(url, limits, signal)
  if (reading.kind !== 'read') throw reading.error
  try {
    const list = await unpackXz(reading.bytes, maxListBytes, signal)
    return { digest: digestOf(reading.bytes), paths: parsePaths(list.toString('latin1')) }
  } catch (cause) {
    signal.throwIfAborted()
    throw new Error(`${url.href} is no list of store paths`, { cause })
  }
}

function parsePaths(list: string): readonly StorePath[] {
  const lines = list.split('\n').filter((line) => line !== '')
  const paths = [...new Set(lines)].map((line) => {
    const path = parseStorePath(line)
    if (path === undefined) throw new Error(`"${line.slice(0, 100)}" is no store path`)
    return path
  })
  if (paths.length === 0) throw new Error('it is empty')
  return paths
}
