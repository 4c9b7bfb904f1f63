import { randomUUID } from 'node:crypto'
import { runSideBySide } from '#adapters/concurrency/run-side-by-side.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { storageKeys } from '../storage-layout.ts'
import type { PartTarget } from '../spool/spooled-upload.ts'
import type { GcsCalls } from './gcs-calls.ts'
import type { GcsConnection } from './gcs-connection.ts'
import { statusOf } from './gcs-error.ts'
import type { GcsBody, GcsGeneration, GcsTransfer } from './gcs-transfer.ts'

// As many as Google composes in one request.
const mostComponents = 32

const removalsAtOnce = 8

// What a line must carry at least to be called one: 16 MiB have about five minutes.
const leastBytesPerMs = 64
const answerTimeoutMs = 30_000
const composeTimeoutMs = 60_000

const cleanUpTimeoutMs = 60_000

interface GcsPartsOptions {
  readonly connection: GcsConnection
  readonly transfer: GcsTransfer
  readonly calls: GcsCalls
  readonly contentType: string
  /** What the bucket has under a key now. */
  readonly find: (key: string, signal: AbortSignal) => Promise<GcsGeneration | undefined>
}

/**
 * The parts of one upload as objects `staging/<upload>/<number>`, made one object within the bucket
 * at the end. Composing is atomic, as is every single write.
 */
export function gcsParts(options: GcsPartsOptions): PartTarget {
  const { transfer, calls, contentType, find } = options
  const { bucket } = options.connection
  const upload = randomUUID()
  const nameOf = (name: string) => storageKeys.staged(`${upload}/${name}`)
  /** Addresses of resumable uploads, by the number of their part. */
  const begun = new Map<number, URL>()
  const staged = new Set<string>()

  const compose = async (
    sources: readonly string[],
    key: string,
    ifGeneration: string | undefined,
    signal: AbortSignal,
  ): Promise<GcsGeneration | undefined> => {
    const target = bucket.file(key)
    target.metadata.contentType = contentType
    const condition = ifGeneration === undefined ? {} : { ifGenerationMatch: ifGeneration }
    return calls.once(
      `cannot join ${sources.length} parts in ${key}`,
      async () => {
        try {
          const [, made] = (await bucket.combine([...sources], target, condition)) as unknown as [
            unknown,
            { generation: string; size: string },
          ]
          return { generation: made.generation, sizeBytes: Number(made.size) }
        } catch (error) {
          if (statusOf(error) === 412 && ifGeneration !== undefined) return undefined
          throw error
        }
      },
      signal,
      composeTimeoutMs,
    )
  }

  /** Until so few are left that one more request makes the object of them. */
  const composeTree = async (keys: readonly string[], level: number, signal: AbortSignal) => {
    if (keys.length <= mostComponents) return keys
    const groups: string[] = []
    for (let start = 0; start < keys.length; start += mostComponents) {
      const group = nameOf(`joined-${level}-${groups.length}`)
      staged.add(group)
      groups.push(group)
      await compose(keys.slice(start, start + mostComponents), group, undefined, signal)
    }
    return composeTree(groups, level + 1, signal)
  }

  /** Writes an object unless one of that size is there; one of another size is replaced. */
  const publish = async (
    key: string,
    sizeBytes: number,
    write: (ifGeneration: string) => Promise<GcsGeneration | undefined>,
    signal: AbortSignal,
  ): Promise<void> => {
    let ifGeneration = '0'
    for (let tries = 0; tries < mostReplacements; tries += 1) {
      const written = await write(ifGeneration)
      const found = written ?? (await find(key, signal))
      if (found?.sizeBytes === sizeBytes) return
      ifGeneration = found?.generation ?? '0'
    }
    throw new OperatingError('STORAGE_BUSY', `cannot write ${key}: others replace it all the time`)
  }

  const removeStaged = async (signal: AbortSignal) => {
    await runSideBySide(
      staged,
      removalsAtOnce,
      async (key) => {
        const remove = () => bucket.file(key).delete({ ignoreNotFound: true })
        await calls.once(`cannot remove ${key}`, remove, signal)
        staged.delete(key)
      },
      signal,
    )
  }

  return {
    putWhole: (key, part, signal) =>
      publish(
        key,
        part.sizeBytes,
        (ifGeneration) =>
          calls.once(
            `cannot write ${key}`,
            (both) => transfer.insert({ key, contentType }, part, ifGeneration, both),
            signal,
            sendTimeoutMs(part),
          ),
        signal,
      ),

    async putPart(number, part, signal) {
      const key = nameOf(String(number))
      staged.add(key)
      const sent = await calls.once(
        `cannot write ${key}`,
        async (both) => {
          const earlier = begun.get(number)
          const kept = earlier && (await transfer.send(earlier, part, true, both))
          if (kept !== undefined) return kept
          const address = await transfer.begin({ key, contentType }, part, both)
          begun.set(number, address)
          return transfer.send(address, part, false, both)
        },
        signal,
        sendTimeoutMs(part),
      )
      begun.delete(number)
      if (sent?.sizeBytes === part.sizeBytes) return
      throw new OperatingError(
        'STORAGE_BUSY',
        `cannot write ${key}: the bucket has kept a part of it`,
      )
    },

    async join(key, count, sizeBytes, signal) {
      const parts = Array.from({ length: count }, (_, number) => nameOf(String(number)))
      const roots = await composeTree(parts, 0, signal)
      await publish(
        key,
        sizeBytes,
        (ifGeneration) => compose(roots, key, ifGeneration, signal),
        signal,
      )
      // What stays is swept after a day; the blob is there.
      await removeStaged(signal).catch((error: unknown) => {
        process.emitWarning(`parts of an upload stay in staging for a day: ${String(error)}`)
      })
    },

    abandon: () => removeStaged(AbortSignal.timeout(cleanUpTimeoutMs)),
  }
}

// More than two writers of one key meet rarely; each of them writes the same bytes.
const mostReplacements = 4

function sendTimeoutMs({ sizeBytes }: GcsBody): number {
  return answerTimeoutMs + Math.ceil(sizeBytes / leastBytesPerMs)
}
