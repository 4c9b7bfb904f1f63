import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import type { RetryTools } from '#adapters/storage/spool/retry.ts'
import { openSpool, type Spool } from '#adapters/storage/spool/spool.ts'
import type { Clock } from '#engine/ports/clock.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { withoutFaults, type FaultPlan } from './fault.ts'

/** What the settings of all kinds of buckets have. */
interface BucketOptions {
  readonly bucket: string
  readonly endpoint?: string | undefined
  readonly urlTtlMs: number
  readonly spool: Spool
  readonly retry?: RetryTools | undefined
}

/** A server of buckets, a proxy before it that makes requests fail, and what opens buckets of it. */
export interface ObjectSite<Options extends BucketOptions> extends AsyncDisposable {
  readonly proxy: FaultProxy
  /** A new bucket. */
  makeBucket(): Promise<string>
  /** What a test opens a bucket with, unless it says otherwise. */
  options(bucket: string, changes?: Partial<Options>): Options
  /** Closed with its test. */
  open(context: TestContext, bucket: string, changes?: Partial<Options>): Promise<ObjectStore>
  /** A new bucket behind the proxy, which fails as planned from the start. */
  openAtProxy(
    context: TestContext,
    plan: FaultPlan,
    changes?: Partial<Options>,
  ): Promise<ObjectStore>
  /** A new bucket behind the proxy, which fails as planned once the bucket is open. */
  openFaulty(
    context: TestContext,
    plan: FaultPlan,
    changes?: Partial<Options>,
  ): Promise<readonly [ObjectStore, string]>
}

interface BucketServer<Options extends BucketOptions> {
  readonly url: string
  readonly makeBucket: () => Promise<string>
  /** Settings for tests of this kind of bucket. */
  readonly complete: (options: BucketOptions) => Options
  readonly openObjects: (options: Options) => Promise<ObjectStore>
}

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Waits for nothing between tries; what limits all of them together is not reached. */
const hastyClock: Clock = {
  after(delayMs, callback) {
    const timer = delayMs > 60_000 ? undefined : setImmediate(callback)
    return () => clearImmediate(timer)
  },
}

export async function startObjectSite<Options extends BucketOptions>(
  server: BucketServer<Options>,
): Promise<ObjectSite<Options>> {
  await using stack = new AsyncDisposableStack()
  const proxy = stack.use(await startFaultProxy(server.url))
  const spool = await openSpool(stack.use(await makeScratchDirectory()).path, 64 * 1024 * 1024)
  stack.defer(() => spool.close())
  const resources = stack.move()
  const { makeBucket } = server
  const usual = {
    endpoint: server.url,
    urlTtlMs: 60_000,
    spool,
    retry: { clock: hastyClock, random: () => 0 },
  }
  const plan = (context: TestContext, faults: FaultPlan) => {
    proxy.plan = faults
    context.after(() => (proxy.plan = withoutFaults))
  }
  const site: ObjectSite<Options> = {
    proxy,
    makeBucket,
    options: (bucket, changes) => ({ ...server.complete({ ...usual, bucket }), ...changes }),
    async open(context, bucket, changes) {
      const objects = await server.openObjects(site.options(bucket, changes))
      context.after(() => objects.close())
      return objects
    },
    async openAtProxy(context, faults, changes) {
      const bucket = await makeBucket()
      plan(context, faults)
      return site.open(context, bucket, { endpoint: proxy.url, ...changes } as Partial<Options>)
    },
    async openFaulty(context, faults, changes) {
      const bucket = await makeBucket()
      const atProxy = { endpoint: proxy.url, ...changes } as Partial<Options>
      const objects = await site.open(context, bucket, atProxy)
      plan(context, faults)
      return [objects, bucket]
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
  return site
}

export async function storeBlob(
  objects: ObjectStore,
  key: string,
  bytes: Uint8Array,
): Promise<void> {
  const upload = await objects.upload(layerType, new AbortController().signal)
  try {
    await upload.write(bytes)
    await upload.publish(key)
  } finally {
    await upload.discard()
  }
}

export async function readWhole(objects: ObjectStore, key: string): Promise<Buffer> {
  const stream = await objects.open(key, undefined, new AbortController().signal)
  assert.ok(stream, `${key} is stored`)
  return buffer(stream)
}
