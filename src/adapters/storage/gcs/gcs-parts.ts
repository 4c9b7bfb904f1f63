import { randomUUID } from 'node:crypto'
import { OperatingError } from '#engine/operating-error.ts'
import { runInLanes } from '#engine/run-in-lanes.ts'
import { storageKeys } from '../storage-layout.ts'
import type { PartTarget } from '../spool/spooled-upload.ts'
import { composeOnce, composeTree, type ComposeTools } from './compose-parts.ts'
import type { GcsTransfer } from './gcs-transfer.ts'
import type { GcsGeneration } from './object-resource.ts'
import { publishOnce } from './publish-once.ts'
import type { UploadBody } from './upload-body.ts'

interface GcsPartsOptions extends ComposeTools {
  readonly transfer: GcsTransfer
  readonly find: (key: string, signal: AbortSignal) => Promise<GcsGeneration | undefined>
}

// What a line must carry at least to be called one: 16 MiB have about five minutes.
const leastBytesPerMs = 64
const answerTimeoutMs = 30_000

// A look takes about as long as sending so much. What builders of one image find stored is not sent.
const mostUnlookedBytes = 256 * 1024

const removalsAtOnce = 8
const cleanUpTimeoutMs = 60_000

/**
 * The parts of one upload as objects `staging/<upload>/<number>`, made one object within the bucket
 * at the end. Composing is atomic, as is every single write.
 */
export function gcsParts(options: GcsPartsOptions): PartTarget {
  const { bucket, calls, contentType, transfer, find } = options
  const upload = randomUUID()
  /** Addresses of resumable uploads, by the number of their part. */
  const begun = new Map<number, URL>()
  const staged = new Set<string>()
  const stage = (name: string | number) => {
    const key = storageKeys.staged(`${upload}/${name}`)
    staged.add(key)
    return key
  }

  const removeStaged = (signal: AbortSignal) =>
    runInLanes(
      staged,
      removalsAtOnce,
      async (key) => {
        const remove = () => bucket.file(key).delete({ ignoreNotFound: true })
        await calls.once(`cannot remove ${key}`, remove, signal)
        staged.delete(key)
      },
      signal,
    )

  return {
    putWhole(key, part, signal) {
      const write = (ifGeneration: string) =>
        calls.once(
          `cannot write ${key}`,
          (both) => transfer.insert({ key, contentType }, part, ifGeneration, both),
          signal,
          sendTimeoutMs(part),
        )
      const { sizeBytes } = part
      const looksFirst = sizeBytes > mostUnlookedBytes
      return publishOnce({ key, sizeBytes, looksFirst, write, find: () => find(key, signal) })
    },

    async putPart(number, part, signal) {
      const key = stage(number)
      const send = async (both: AbortSignal) => {
        const earlier = begun.get(number)
        const kept = earlier && (await transfer.send(earlier, part, true, both))
        if (kept !== undefined) return kept
        const address = await transfer.begin({ key, contentType }, part, both)
        begun.set(number, address)
        return transfer.send(address, part, false, both)
      }
      const sent = await calls.once(`cannot write ${key}`, send, signal, sendTimeoutMs(part))
      begun.delete(number)
      if (sent?.sizeBytes === part.sizeBytes) return
      throw new OperatingError('STORAGE_BUSY', calls.describe(`${key} was not taken as a whole`))
    },

    async join(key, count, sizeBytes, signal) {
      const parts = Array.from({ length: count }, (_, number) => stage(number))
      let joined = 0
      const roots = await composeTree(options, parts, () => stage(`joined-${joined++}`), signal)
      await publishOnce({
        key,
        sizeBytes,
        looksFirst: false,
        write: (ifGeneration) => composeOnce(options, roots, key, ifGeneration, signal),
        find: () => find(key, signal),
      })
      // What stays is swept after a day; the blob is there.
      await removeStaged(signal).catch((error: unknown) => {
        process.emitWarning(`parts of an upload stay in staging for a day: ${String(error)}`)
      })
    },

    abandon: () => removeStaged(AbortSignal.timeout(cleanUpTimeoutMs)),
  }
}

function sendTimeoutMs({ sizeBytes }: UploadBody): number {
  return answerTimeoutMs + Math.ceil(sizeBytes / leastBytesPerMs)
}
