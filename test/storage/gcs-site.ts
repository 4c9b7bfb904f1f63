import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { openGcsObjects, type GcsOptions } from '#adapters/storage/gcs/gcs-objects.ts'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import { openSpool } from '#adapters/storage/spool/spool.ts'
import type { Clock } from '#engine/ports/clock.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { withoutFaults, type FaultAnswer, type FaultPlan } from './fault.ts'
import { startGcsEmulator, type GcsEmulator } from './gcs-emulator.ts'

/** An emulator, a proxy before it that makes requests fail, and what opens buckets of it. */
export interface GcsSite extends AsyncDisposable {
  readonly emulator: GcsEmulator
  readonly proxy: FaultProxy
  /** What a test opens a bucket with, unless it says otherwise. */
  options(bucket: string, changes?: Partial<GcsOptions>): GcsOptions
  /** Closed with its test. */
  open(context: TestContext, bucket: string, changes?: Partial<GcsOptions>): Promise<ObjectStore>
  /** A new bucket behind the proxy, which fails as planned from the start. */
  openAtProxy(
    context: TestContext,
    plan: FaultPlan,
    changes?: Partial<GcsOptions>,
  ): Promise<ObjectStore>
  /** A new bucket behind the proxy, which fails as planned once the bucket is open. */
  openFaulty(
    context: TestContext,
    plan: FaultPlan,
    changes?: Partial<GcsOptions>,
  ): Promise<readonly [ObjectStore, string]>
  /** Keys of all that a bucket holds. */
  listAll(bucket: string): Promise<readonly string[]>
  /** What the bucket says of an object to those who download it. */
  describe(bucket: string, key: string): Promise<Readonly<Record<string, string>>>
}

export const partBytes = 64 * 1024

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip'

export const never = new AbortController().signal

/** Waits for nothing between tries; what limits all of them together is not reached. */
const hastyClock: Clock = {
  after(delayMs, callback) {
    const timer = delayMs > 60_000 ? undefined : setImmediate(callback)
    return () => clearImmediate(timer)
  },
}

export async function startGcsSite(program: string): Promise<GcsSite> {
  await using stack = new AsyncDisposableStack()
  const emulator = stack.use(await startGcsEmulator(program))
  const proxy = stack.use(await startFaultProxy(emulator.endpoint))
  const spool = await openSpool(stack.use(await makeScratchDirectory()).path, 64 * 1024 * 1024)
  stack.defer(() => spool.close())
  const resources = stack.move()
  const objectsOf = (bucket: string) => `${emulator.endpoint}/storage/v1/b/${bucket}/o`
  const site: GcsSite = {
    emulator,
    proxy,
    options: (bucket, changes) => ({
      bucket,
      endpoint: emulator.endpoint,
      urlTtlMs: 60_000,
      spool,
      partBytes,
      retry: { clock: hastyClock, random: () => 0 },
      ...changes,
    }),
    async open(context, bucket, changes) {
      const objects = await openGcsObjects(site.options(bucket, changes))
      context.after(() => objects.close())
      return objects
    },
    async openAtProxy(context, plan, changes) {
      const bucket = await emulator.makeBucket()
      proxy.plan = plan
      context.after(() => (proxy.plan = withoutFaults))
      return site.open(context, bucket, { endpoint: proxy.url, ...changes })
    },
    async openFaulty(context, plan, changes) {
      const bucket = await emulator.makeBucket()
      const objects = await site.open(context, bucket, { endpoint: proxy.url, ...changes })
      proxy.plan = plan
      context.after(() => (proxy.plan = withoutFaults))
      return [objects, bucket]
    },
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
  return site
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

export async function storeBlob(
  objects: ObjectStore,
  key: string,
  bytes: Uint8Array,
): Promise<void> {
  const upload = await objects.upload(layerType, never)
  try {
    await upload.write(bytes)
    await upload.publish(key)
  } finally {
    await upload.discard()
  }
}

export async function readWhole(objects: ObjectStore, key: string): Promise<Buffer> {
  const stream = await objects.open(key, undefined, never)
  assert.ok(stream, `${key} is stored`)
  return buffer(stream)
}
