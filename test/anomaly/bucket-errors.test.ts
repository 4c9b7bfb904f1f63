import assert from 'node:assert/strict'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { bucketAnswers, clockSkew } from '#test/storage/bucket-answers.ts'
import {
  bucketKinds,
  startBucket,
  whyNoBucket,
  type BucketKind,
  type BucketUnderTest,
} from '#test/storage/bucket-under-test.ts'
import type { FaultProxy } from '#test/storage/fault-proxy.ts'
import { withoutFaults, type FaultAnswer, type FaultPlan } from '#test/storage/fault.ts'
import { findBucketViolations } from '#test/storage/find-bucket-violations.ts'
import { unavailable } from '#test/storage/seeded-faults.ts'
import { mountTinyDisk, skipUnlessMounting } from '#test/storage/tiny-disk.ts'
import { commitPackageSet } from './commit-package-set.ts'
import { eventually } from './eventually.ts'
import { pullImage, requestManifest } from './pull-image.ts'
import { startRefused, type RegistryProcess } from './registry-process.ts'
import { makeSite, siteCommands, type RegistrySite } from './registry-site.ts'

// Operators and orchestrators wait longer before they give a start up.
const longestRefusalMs = 60_000

// Most of the time passes while a service is patient with its bucket.
const concurrency = 6

for (const kind of bucketKinds) {
  const skip = skipUnless([...siteCommands, 'git']) || (await whyNoBucket(kind))
  const answers = bucketAnswers[kind]
  const bucketVariable = kind === 'gcs' ? 'GCS_BUCKET' : 'NIXERY_S3_BUCKET'

  suite(`a bucket of ${kind} that cannot be used`, { skip, concurrency, timeout: 600_000 }, () => {
    let site: RegistrySite

    before(async () => {
      site = await makeSite()
      await commitPackageSet(site)
    })
    after(() => site[Symbol.asyncDispose]())

    /** The one line that a start prints before it ends. */
    async function refusal(plan: FaultPlan, environment: Environment = {}): Promise<string> {
      await using place = await makePlace(kind)
      const { bucket, proxy } = place
      proxy.plan = plan
      const { exitCode, stderr } = await startRefused({
        environment: {
          ...site.environment,
          STORAGE_PATH: '',
          ...bucket.environment(proxy.url),
          ...environment,
        },
        readyTimeoutMs: longestRefusalMs,
      })
      assert.equal(exitCode, 1, stderr)
      assert.match(stderr, /^nixery: [^\n]+\n$/)
      return stderr
    }

    /** A service with a bucket that works, until the plan of its proxy changes. */
    async function start(environment: Environment = {}): Promise<Place & RegistryProcess> {
      await using stack = new AsyncDisposableStack()
      const place = stack.use(await makePlace(kind))
      const service = stack.use(
        await site.start({
          environment: {
            STORAGE_PATH: '',
            ...place.bucket.environment(place.proxy.url),
            ...environment,
          },
        }),
      )
      const resources = stack.move()
      return { ...place, ...service, [Symbol.asyncDispose]: () => resources.disposeAsync() }
    }

    test('stops the start when there is none of that name', async () => {
      const line = await refusal(withoutFaults, { [bucketVariable]: 'no-such-bucket' })
      assert.match(line, /BUCKET_MISSING: .*no-such-bucket.*; make the bucket, or mend/)
    })

    test('stops the start when the account may do nothing', async () => {
      const line = await refusal(always(answers.denied))
      assert.match(line, /BUCKET_DENIED: .*; give the account of the service the right/)
    })

    test('stops the start when the account may only read', async () => {
      const line = await refusal(forWrites(answers.denied))
      assert.match(line, /BUCKET_DENIED: .*; give the account of the service the right/)
    })

    test('stops the start when its server is down', async () => {
      const line = await refusal(withoutFaults, endpointOf(kind, 'http://127.0.0.1:1'))
      assert.match(line, /STORAGE_BUSY: .*ECONNREFUSED.*; check the network to the bucket/)
    })

    test('stops the start when its server speaks no TLS', async () => {
      await using place = await makePlace(kind)
      const endpoint = endpointOf(kind, place.proxy.url.replace('http:', 'https:'))
      // Nor looks for a role of this machine.
      const line = await refusal(withoutFaults, { ...endpoint, METADATA_SERVER_DETECTION: 'none' })
      assert.match(
        line,
        /STORAGE_FAILED: [^;]*EPROTO[^;]*; check the storage directory, or the bucket/,
      )
      assert.equal(line.split('EPROTO').length, 2, 'said once')
    })

    test('stops the start when its server says nothing', async () => {
      const line = await refusal(() => ({ kind: 'black-hole' }))
      assert.match(line, /STORAGE_BUSY: .*; check the network to the bucket/)
    })

    const overloads = new Map([
      ['has had too many requests', answers.tooManyRequests],
      ['is unavailable', unavailable],
    ])
    for (const [what, answer] of overloads) {
      test(`answers 503 with Retry-After while it says that it ${what}`, async () => {
        await using service = await start()
        service.proxy.plan = always(answer)
        await refusedWith(service, 'tool', 503, 'STORAGE_BUSY', /check the network to the bucket/)
        await holds(service, 0)
        await worksAgain(service, 'tool')
      })
    }

    test('answers 503 while it takes nothing, and publishes nothing', async () => {
      await using service = await start()
      service.proxy.plan = forWrites(unavailable)
      await refusedWith(service, 'tool', 503, 'STORAGE_BUSY', /check the network to the bucket/)
      await holds(service, 0)
      await worksAgain(service, 'tool')
    })

    test('answers 503 when it stops answering', async () => {
      await using service = await start()
      await pullImage(service.url, 'tool')
      service.proxy.plan = () => ({ kind: 'black-hole' })
      await refusedWith(service, 'tool', 503, 'STORAGE_BUSY', /check the network to the bucket/)
      await worksAgain(service, 'tool')
    })

    test('answers 500 when it is removed', async () => {
      await using service = await start()
      service.proxy.plan = always(answers.missing)
      await refusedWith(service, 'tool', 500, 'BUCKET_MISSING', /make the bucket, or mend/)
      await worksAgain(service, 'tool')
    })

    test('answers 500 when the account loses the right to write', async () => {
      await using service = await start()
      service.proxy.plan = forWrites(answers.denied)
      await refusedWith(service, 'tool', 500, 'BUCKET_DENIED', /give the account/)
      await holds(service, 0)
      await worksAgain(service, 'tool')
    })

    test(
      'answers 500 when the disk of the spool is full, and well after that',
      { skip: skipUnlessMounting },
      async (context) => {
        const disk = await mountTinyDisk(context, 40 * 1024)
        if (disk === undefined) return
        await using service = await start({ NIXERY_STATE_DIRECTORY: disk })
        // The package set lies on that disk, too.
        await pullImage(service.url, 'tool')
        const filler = join(disk, 'filler')
        await fillDisk(filler, disk)
        await refusedWith(service, 'heavy', 500, 'NO_SPACE', /free disk space/)
        await holds(service, 1)
        await rm(filler)
        await pullImage(service.url, 'heavy')
        await holds(service, 2)
      },
    )

    if (kind === 's3') {
      test('stops the start when the secret key is wrong', async () => {
        const line = await refusal(withoutFaults, { AWS_SECRET_ACCESS_KEY: 'wrong' })
        assert.match(line, /BUCKET_LOGIN: .*SignatureDoesNotMatch.*; check the credentials/)
      })

      test('stops the start when nobody knows the access key', async () => {
        const line = await refusal(withoutFaults, { AWS_ACCESS_KEY_ID: 'nobody' })
        assert.match(line, /BUCKET_LOGIN: .*access key.*; check the credentials/i)
      })

      test('stops the start when there are no keys at all', async () => {
        const line = await refusal(withoutFaults, {
          AWS_ACCESS_KEY_ID: '',
          AWS_SECRET_ACCESS_KEY: '',
          AWS_EC2_METADATA_DISABLED: 'true',
        })
        assert.match(line, /BUCKET_LOGIN: .*credentials.*; check the credentials/)
      })

      test('stops the start when the clock is wrong', async () => {
        const line = await refusal(always(clockSkew))
        assert.match(line, /CLOCK_SKEW: .*; set the clock of this machine/)
      })
    } else {
      test('stops the start when the key file is not there, or no key', async () => {
        const path = join(site.directory, 'key.json')
        const environment = { GOOGLE_APPLICATION_CREDENTIALS: path }
        const unusable = `BUCKET_LOGIN: GOOGLE_APPLICATION_CREDENTIALS=${path} cannot be used: `
        for (const text of [undefined, 'no JSON', '{}']) {
          if (text !== undefined) await writeFile(path, text)
          const line = await refusal(withoutFaults, environment)
          assert.ok(line.includes(unusable), line)
          assert.match(line, /: [^;{]+; check the credentials/)
          assert.ok(!line.includes('no JSON'), 'nothing of a file that might be a key')
        }
      })
    }
  })
}

type Environment = Readonly<Record<string, string>>

/** A bucket of a test's own, and the proxy in front of it. */
interface Place extends AsyncDisposable {
  readonly bucket: BucketUnderTest
  readonly proxy: FaultProxy
}

async function makePlace(kind: BucketKind): Promise<Place> {
  await using stack = new AsyncDisposableStack()
  const bucket = stack.use(await startBucket(kind))
  const proxy = stack.use(await bucket.startProxy())
  const resources = stack.move()
  return { bucket, proxy, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

/** Settings of a service whose bucket would be there. */
function endpointOf(kind: BucketKind, url: string): Environment {
  return kind === 'gcs' ? { NIXERY_GCS_ENDPOINT: url } : { NIXERY_S3_ENDPOINT: url }
}

/** So many images, and nothing that is not what its name says. */
async function holds({ bucket }: Place, images: number): Promise<void> {
  assert.deepEqual(await findBucketViolations(bucket), [])
  assert.equal((await bucket.list('manifests/')).length, images)
}

async function worksAgain(service: Place & RegistryProcess, name: string): Promise<void> {
  service.proxy.plan = withoutFaults
  await pullImage(service.url, name)
  await holds(service, 1)
}

function always(answer: FaultAnswer): FaultPlan {
  return () => ({ kind: 'answer', answer })
}

function forWrites(answer: FaultAnswer): FaultPlan {
  return ({ method }) =>
    method === 'GET' || method === 'HEAD' ? undefined : { kind: 'answer', answer }
}

// Enough for the directories and what is evaluated; a heavy layer has 2 MB.
const freeBytes = 1024 * 1024

async function fillDisk(filler: string, disk: string): Promise<void> {
  const { bavail, bsize } = await statfs(disk)
  await writeFile(filler, Buffer.alloc(bavail * bsize - freeBytes))
}

/** A pull fails with the code, and the log says what the operator has to do. */
async function refusedWith(
  service: RegistryProcess,
  name: string,
  status: number,
  code: string,
  advice: RegExp,
): Promise<void> {
  const seen = service.log.length
  const answer = await requestManifest(service.url, name)
  const { errors } = (await answer.json()) as { errors: { message: string }[] }
  const message = errors[0]?.message ?? ''
  assert.equal(answer.status, status, message)
  assert.match(message, new RegExp(`^${code}: `))
  if (status === 503) assert.ok(Number(answer.headers.get('retry-after')) > 0)
  // The pipe that carries the log may be slower than the connection.
  const { error } = await eventually('the log line', () =>
    service.log.slice(seen).find(({ msg }) => msg === 'request failed'),
  )
  assert.match(String(error), new RegExp(`^${code}: `))
  assert.match(String(error), advice)
}
