import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { ObjectStore } from '#adapters/storage/object-store.ts'
import { openS3Objects, type S3Options } from '#adapters/storage/s3/s3-objects.ts'
import { openSpool } from '#adapters/storage/spool/spool.ts'
import type { Clock } from '#engine/ports/clock.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts'
import { withoutFaults, type FaultAnswer, type FaultPlan } from './fault.ts'
import type { GoProgram } from './go-program.ts'
import { startS3Emulator, type S3Emulator } from './s3-emulator.ts'

/** An emulator, a proxy before it that makes requests fail, and what opens buckets of it. */
export interface S3Site extends AsyncDisposable {
  readonly emulator: S3Emulator
  readonly proxy: FaultProxy
  /** A new bucket. */
  makeBucket(): Promise<string>
  /** What a test opens a bucket with, unless it says otherwise. */
  options(bucket: string, changes?: Partial<S3Options>): S3Options
  /** Closed with its test. */
  open(context: TestContext, bucket: string, changes?: Partial<S3Options>): Promise<ObjectStore>
  /** A new bucket behind the proxy, which fails as planned once the bucket is open. */
  openFaulty(
    context: TestContext,
    plan: FaultPlan,
    changes?: Partial<S3Options>,
  ): Promise<readonly [ObjectStore, string]>
  /** What no upload may leave: keys of staged objects and of multipart uploads. */
  findLeftovers(bucket: string): Promise<readonly (string | undefined)[]>
}

/** The smallest that S3 takes. */
export const partBytes = 5 * 1024 * 1024

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Waits for nothing between tries; what limits all of them together is not reached. */
const hastyClock: Clock = {
  after(delayMs, callback) {
    const timer = delayMs > 60_000 ? undefined : setImmediate(callback)
    return () => clearImmediate(timer)
  },
}

// Nothing of this machine's, and no waiting for a service that gives roles to machines.
const onlyOurCredentials = {
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
}

/** Puts its credentials into this process's environment, where the SDK looks for them, and no others. */
export async function startS3Site(program: GoProgram): Promise<S3Site> {
  assert('path' in program)
  await using stack = new AsyncDisposableStack()
  const emulator = stack.use(await startS3Emulator(program.path))
  const proxy = stack.use(await startFaultProxy(emulator.url))
  const spool = await openSpool(stack.use(await makeScratchDirectory()).path, 64 * 1024 * 1024)
  stack.defer(() => spool.close())
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
  Object.assign(process.env, emulator.environment, onlyOurCredentials)
  let buckets = 0
  const resources = stack.move()
  const site: S3Site = {
    emulator,
    proxy,
    async makeBucket() {
      buckets += 1
      const name = `images-${buckets}`
      await emulator.makeBucket(name)
      return name
    },
    options: (bucket, changes) => ({
      bucket,
      endpoint: emulator.url,
      pathStyle: true,
      urlTtlMs: 60_000,
      spool,
      partBytes,
      retry: { clock: hastyClock, random: () => 0 },
      ...changes,
    }),
    async open(context, bucket, changes) {
      const objects = await openS3Objects(site.options(bucket, changes))
      context.after(() => objects.close())
      return objects
    },
    async openFaulty(context, plan, changes) {
      const bucket = await site.makeBucket()
      const objects = await site.open(context, bucket, { endpoint: proxy.url, ...changes })
      proxy.plan = plan
      context.after(() => (proxy.plan = withoutFaults))
      return [objects, bucket]
    },
    async findLeftovers(bucket) {
      const { s3 } = emulator
      const { Contents } = await s3.listObjectsV2({ Bucket: bucket, Prefix: 'staging/' })
      const { Uploads } = await s3.listMultipartUploads({ Bucket: bucket })
      return [...(Contents ?? []), ...(Uploads ?? [])].map(({ Key }) => Key)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
  return site
}

/** The first fault of a plan and no other. */
export function firstFault(plan: FaultPlan): FaultPlan {
  let isOver = false
  return (request) => {
    const fault = isOver ? undefined : plan(request)
    isOver ||= fault !== undefined
    return fault
  }
}

/** The same answer to all requests of one method but the first ones. */
export function answerTo(wantedMethod: string, answer: FaultAnswer, passed = 0): FaultPlan {
  let seen = 0
  return ({ method }) => {
    if (method !== wantedMethod) return undefined
    seen += 1
    return seen > passed ? { kind: 'answer', answer } : undefined
  }
}

export function amazonAnswer(status: number, code: string, headers = {}): FaultAnswer {
  return {
    status,
    headers: { 'Content-Type': 'application/xml', ...headers },
    body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
  }
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
