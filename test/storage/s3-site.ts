import assert from 'node:assert/strict'
import { openS3Objects, type S3Options } from '#adapters/storage/s3/s3-objects.ts'
import type { FaultAnswer, FaultPlan } from './fault.ts'
import type { GoProgram } from './go-program.ts'
import { startObjectSite, type ObjectSite } from './object-site.ts'
import { startS3Emulator, type S3Emulator } from './s3-emulator.ts'

export interface S3Site extends ObjectSite<S3Options> {
  readonly emulator: S3Emulator
  /** What no upload may leave: keys of staged objects and of multipart uploads. */
  findLeftovers(bucket: string): Promise<readonly (string | undefined)[]>
}

/** The smallest that S3 takes. */
export const partBytes = 5 * 1024 * 1024

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
  let buckets = 0
  const site = stack.use(
    await startObjectSite<S3Options>({
      url: emulator.url,
      async makeBucket() {
        buckets += 1
        const name = `images-${buckets}`
        await emulator.makeBucket(name)
        return name
      },
      complete: (options) => ({ ...options, partBytes, pathStyle: true }),
      openObjects: openS3Objects,
    }),
  )
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
  Object.assign(process.env, emulator.environment, onlyOurCredentials)
  const resources = stack.move()
  return {
    ...site,
    emulator,
    async findLeftovers(bucket) {
      const { s3 } = emulator
      const { Contents } = await s3.listObjectsV2({ Bucket: bucket, Prefix: 'staging/' })
      const { Uploads } = await s3.listMultipartUploads({ Bucket: bucket })
      return [...(Contents ?? []), ...(Uploads ?? [])].map(({ Key }) => Key)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
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
