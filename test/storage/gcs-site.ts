import { openGcsObjects, type GcsOptions } from '#adapters/storage/gcs/gcs-objects.ts'
import type { FaultAnswer } from './fault.ts'
import { startGcsEmulator } from './gcs-emulator.ts'
import { startObjectSite, type ObjectSite } from './object-site.ts'

export interface GcsSite extends ObjectSite<GcsOptions> {
  /** `http://127.0.0.1:PORT` of the emulator itself. */
  readonly endpoint: string
  /** Keys of all that a bucket holds. */
  listAll(bucket: string): Promise<readonly string[]>
  /** What the bucket says of an object to those who download it. */
  describe(bucket: string, key: string): Promise<Readonly<Record<string, string>>>
}

export const partBytes = 64 * 1024

export const never = new AbortController().signal

export async function startGcsSite(program: string): Promise<GcsSite> {
  await using stack = new AsyncDisposableStack()
  const emulator = stack.use(await startGcsEmulator(program))
  const { endpoint } = emulator
  const site = stack.use(
    await startObjectSite<GcsOptions>({
      url: endpoint,
      makeBucket: () => emulator.makeBucket(),
      complete: (options) => ({ ...options, partBytes }),
      openObjects: openGcsObjects,
    }),
  )
  const objectsOf = (bucket: string) => `${endpoint}/storage/v1/b/${bucket}/o`
  const resources = stack.move()
  return {
    ...site,
    endpoint,
    async listAll(bucket) {
      const { items = [] } = (await (await fetch(objectsOf(bucket))).json()) as {
        items?: readonly { name: string }[]
      }
      return items.map(({ name }) => name)
    },
    async describe(bucket, key) {
      const response = await fetch(`${objectsOf(bucket)}/${encodeURIComponent(key)}`)
      return (await response.json()) as Record<string, string>
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** As Google's API answers when it does not do what it is asked. */
export function googleAnswer(status: number, message: string, reason = 'none'): FaultAnswer {
  const error = { code: status, message, errors: [{ message, domain: 'global', reason }] }
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=UTF-8' },
    body: JSON.stringify({ error }),
  }
}
