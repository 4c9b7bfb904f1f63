import { startFaultProxy, type FaultProxy } from './fault-proxy.ts'
import type { FaultPlan } from './fault.ts'
import { gcsEmulatorProgram, startGcsEmulator } from './gcs-emulator.ts'
import type { GoProgram } from './go-program.ts'
import { s3EmulatorProgram, startS3Emulator } from './s3-emulator.ts'

export const bucketKinds = ['gcs', 's3'] as const
export type BucketKind = (typeof bucketKinds)[number]

/** One emulator with one bucket, whichever of the two it is. */
export interface BucketUnderTest extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  startProxy(plan?: FaultPlan): Promise<FaultProxy>
  /** Settings of a service that reaches the bucket at an address, which may be a proxy's. */
  environment(url: string): Readonly<Record<string, string>>
  /** The keys that begin with a prefix, past all proxies and all code of the product. */
  list(prefix: string): Promise<readonly string[]>
  /** An object that is there. */
  read(key: string): Promise<Buffer>
}

/** Why there is no emulator of this kind, in the form that `skip` of node:test takes. */
export async function whyNoBucket(kind: BucketKind): Promise<string | false> {
  const program = await programOf(kind)
  return 'skip' in program ? program.skip : false
}

export async function startBucket(kind: BucketKind): Promise<BucketUnderTest> {
  const program = await programOf(kind)
  if ('skip' in program) throw new Error(program.skip)
  return kind === 'gcs' ? startGcsBucket(program.path) : startS3Bucket(program.path)
}

function programOf(kind: BucketKind): Promise<GoProgram> {
  return kind === 'gcs' ? gcsEmulatorProgram() : s3EmulatorProgram()
}

async function startGcsBucket(program: string): Promise<BucketUnderTest> {
  await using stack = new AsyncDisposableStack()
  const emulator = stack.use(await startGcsEmulator(program))
  const { endpoint: url } = emulator
  const bucket = await emulator.makeBucket()
  const objects = `${url}/storage/v1/b/${bucket}/o`
  const resources = stack.move()
  return {
    url,
    // The emulator answers downloads only when they ask for itself.
    startProxy: (plan) => startFaultProxy(url, plan, { renamesHost: true }),
    environment: (endpoint) => ({
      NIXERY_STORAGE_BACKEND: 'gcs',
      GCS_BUCKET: bucket,
      NIXERY_GCS_ENDPOINT: endpoint,
      GOOGLE_APPLICATION_CREDENTIALS: '',
    }),
    async list(prefix) {
      const names: string[] = []
      for (let token = ''; ;) {
        const query = new URLSearchParams({ prefix, ...(token && { pageToken: token }) })
        const page = (await (await fetch(`${objects}?${query.toString()}`)).json()) as {
          items?: readonly { name: string }[]
          nextPageToken?: string
        }
        names.push(...(page.items ?? []).map(({ name }) => name))
        token = page.nextPageToken ?? ''
        if (token === '') return names.sort()
      }
    },
    async read(key) {
      const response = await fetch(`${objects}/${encodeURIComponent(key)}?alt=media`)
      if (!response.ok) throw new Error(`${key}: ${response.status} ${await response.text()}`)
      return Buffer.from(await response.bytes())
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function startS3Bucket(program: string): Promise<BucketUnderTest> {
  await using stack = new AsyncDisposableStack()
  const emulator = stack.use(await startS3Emulator(program))
  const { url, s3, environment } = emulator
  const bucket = 'images'
  await emulator.makeBucket(bucket)
  const resources = stack.move()
  return {
    url,
    startProxy: (plan) => startFaultProxy(url, plan),
    environment: (endpoint) => ({
      NIXERY_STORAGE_BACKEND: 's3',
      NIXERY_S3_BUCKET: bucket,
      NIXERY_S3_ENDPOINT: endpoint,
      ...environment,
    }),
    async list(prefix) {
      const keys: string[] = []
      for (let token: string | undefined; ;) {
        const page = await s3.listObjectsV2({
          Bucket: bucket,
          Prefix: prefix,
          ...(token && { ContinuationToken: token }),
        })
        keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key))
        token = page.NextContinuationToken
        if (token === undefined) return keys.sort()
      }
    },
    async read(key) {
      const { Body } = await s3.getObject({ Bucket: bucket, Key: key })
      return Buffer.from(await Body!.transformToByteArray())
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
