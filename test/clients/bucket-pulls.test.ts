import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { startBucket, whyNoBucket, type BucketKind } from '#test/storage/bucket-under-test.ts'
import type { FaultProxy } from '#test/storage/fault-proxy.ts'
import { skipUnless } from './availability.ts'
import { containerdCommands, startContainerd } from './containerd.ts'
import { dockerdCommands, startDockerd } from './dockerd.ts'
import { skopeo } from './image-tools.ts'
import { startNixery, type NixeryServer } from './nixery-server.ts'
import { findLayoutViolations } from './oci-layout.ts'
import { podmanCommands, preparePodman } from './podman.ts'
import { outputOf, type Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

type Environment = Readonly<Record<string, string>>

interface Place {
  readonly directory: string
  readonly bucketUrl: string
  readonly proxyUrl: string
}

/** One way of getting blobs from a bucket to clients. */
interface Serving {
  readonly title: string
  readonly kind: BucketKind
  readonly settings: (place: Place) => Promise<Environment>
  /** What every download address has in its query; `undefined` where clients get none. */
  readonly signature: RegExp | 'none' | undefined
}

const servings: readonly Serving[] = [
  {
    title: 'presigned addresses of S3',
    kind: 's3',
    // The service itself goes another way than its clients.
    settings: async ({ bucketUrl, proxyUrl }) => ({
      NIXERY_SERVE_BLOBS: 'redirect',
      NIXERY_S3_ENDPOINT: bucketUrl,
      NIXERY_S3_PUBLIC_ENDPOINT: proxyUrl,
    }),
    signature: /[?&]X-Amz-Signature=[0-9a-f]{64}(&|$)/,
  },
  {
    title: 'signed addresses of GCS',
    kind: 'gcs',
    settings: async ({ directory }) => ({
      NIXERY_SERVE_BLOBS: 'redirect',
      GOOGLE_APPLICATION_CREDENTIALS: await writeThrowAwayKey(directory),
    }),
    signature: /[?&]X-Goog-Signature=[0-9a-f]{512}(&|$)/,
  },
  {
    title: 'public addresses of GCS',
    kind: 'gcs',
    settings: async () => ({ NIXERY_SERVE_BLOBS: 'redirect' }),
    signature: 'none',
  },
  {
    title: 'the service',
    kind: 's3',
    settings: async () => ({ NIXERY_SERVE_BLOBS: 'proxy' }),
    signature: undefined,
  },
]

const image = 'shell/jq'

for (const serving of servings) {
  const skip = await whyNoBucket(serving.kind)
  suite(`layers through ${serving.title}`, { skip, timeout: 1_800_000 }, () => {
    const resources = new AsyncDisposableStack()
    let proxy: FaultProxy
    let nixery: NixeryServer
    let directory: string
    /** Those of requests that earlier tests made are not counted. */
    let [seenRequests, seenLines] = [0, 0]

    before(async () => {
      directory = resources.use(await makeScratchDirectory()).path
      const bucket = resources.use(await startBucket(serving.kind))
      proxy = resources.use(await bucket.startProxy())
      nixery = resources.use(
        await startNixery({
          STORAGE_PATH: '',
          ...bucket.environment(proxy.url),
          ...(await serving.settings({ directory, bucketUrl: bucket.url, proxyUrl: proxy.url })),
        }),
      )
      await fetchImage()
    })
    after(() => resources.disposeAsync())

    /** Asserts that all blobs since the last look came the way that the service was told. */
    async function assertServed(leastBlobs: number): Promise<void> {
      const blobs = await newBlobRequests()
      assert.ok(blobs.length >= leastBlobs, `${blobs.length} blobs`)
      const wanted = serving.signature === undefined ? [200, 206] : [303]
      for (const { status } of blobs) assert.ok(wanted.includes(status), `${status}`)
      const downloads = proxy.requests
        .slice(seenRequests)
        .filter(({ method, path }) => method === 'GET' && path.includes('/layers/'))
      seenRequests = proxy.requests.length
      const { signature } = serving
      if (signature === undefined) {
        for (const { path } of downloads) assert.doesNotMatch(path, /-Signature=/)
        return
      }
      const led = downloads.filter(({ path }) =>
        signature === 'none' ? !path.includes('?') : signature.test(path),
      )
      assert.ok(led.length >= leastBlobs, `${led.length} downloads from the bucket`)
      for (const { path } of led) assert.doesNotMatch(path, /[?&]ns=/)
    }

    /** GETs of blobs in the service's log since the last look. */
    async function newBlobRequests(): Promise<readonly { readonly status: number }[]> {
      const lines = (await nixery.readLog()).trimEnd().split('\n')
      const fresh = lines
        .slice(seenLines)
        .map(
          (line) =>
            JSON.parse(line) as { msg: string; method: string; path: string; status: number },
        )
      seenLines = lines.length
      return fresh.filter(
        ({ msg, method, path }) =>
          msg === 'request' && method === 'GET' && path.includes('/blobs/'),
      )
    }

    /** Builds the image before clients come that give a build less time. */
    async function fetchImage(): Promise<readonly { digest: string; size: number }[]> {
      const response = await fetch(`http://${nixery.address}/v2/${image}/manifests/latest`)
      const text = await response.text()
      assert.equal(response.status, 200, text)
      return (JSON.parse(text) as { layers: { digest: string; size: number }[] }).layers
    }

    test('an HTTP client gets whole blobs and ranges', async () => {
      await newBlobRequests()
      const [layer] = (await fetchImage()).toSorted((a, b) => b.size - a.size)
      assert.ok(layer)
      const address = `http://${nixery.address}/v2/${image}/blobs/${layer.digest}`
      const whole = await (await fetch(`${address}?ns=registry.invalid`)).bytes()
      assert.equal(digestOf(whole), layer.digest)
      const part = await fetch(address, { headers: { range: 'bytes=1000-1999' } })
      assert.equal(part.status, 206)
      assert.equal(part.headers.get('content-range'), `bytes 1000-1999/${layer.size}`)
      assert.deepEqual(await part.bytes(), whole.subarray(1000, 2000))
      const head = await fetch(address, { method: 'HEAD', redirect: 'error' })
      assert.equal(head.headers.get('content-length'), String(layer.size))
      await assertServed(2)
    })

    test(
      'docker pulls and runs the image',
      { skip: skipUnless(dockerdCommands, { root: true }) },
      async () => {
        await using docker = await startDockerd()
        await outputOf(docker, ['pull', `${nixery.address}/${image}`])
        await assertServed(2)
        await assertRuns(docker, ['run', '--rm', '--network=none', `${nixery.address}/${image}`])
      },
    )

    test(
      'containerd pulls and runs the image, directly and through a mirror',
      { skip: skipUnless(containerdCommands, { root: true }) },
      async () => {
        await using ctr = await startContainerd()
        const direct = `${nixery.address}/${image}:latest`
        await outputOf(ctr, ['images', 'pull', '--plain-http', direct])
        await assertServed(2)
        await assertRuns(ctr, ['run', '--rm', direct, 'direct'])

        await using mirroring = await startContainerd()
        const mirrored = `registry.invalid/${image}:latest`
        await outputOf(mirroring, ['images', 'pull', await mirrorOption(), mirrored])
        await assertServed(2)
        await assertRuns(mirroring, ['run', '--rm', mirrored, 'mirrored'])
      },
    )

    test(
      'podman pulls and runs the image',
      { skip: skipUnless(podmanCommands, { root: true }) },
      async () => {
        await using podman = await preparePodman()
        const address = `${nixery.address}/${image}`
        await outputOf(podman, ['pull', '--quiet', '--tls-verify=false', address])
        await assertServed(2)
        await assertRuns(podman, ['run', '--rm', '--network=none', address])
      },
    )

    test('skopeo copies the image', { skip: skipUnless(['skopeo']) }, async () => {
      const layout = join(directory, 'layout')
      const copy = ['copy', '--src-tls-verify=false', '--preserve-digests']
      await outputOf(skopeo, [...copy, `docker://${nixery.address}/${image}`, `oci:${layout}:jq`])
      await assertServed(2)
      assert.deepEqual(await findLayoutViolations(layout), [])
    })

    /** containerd tells a mirror in the query which registry it stands for. */
    async function mirrorOption(): Promise<string> {
      const folder = join(directory, 'hosts', 'registry.invalid')
      await mkdir(folder, { recursive: true })
      const mirror = `[host."http://${nixery.address}"]\n  capabilities = ["pull", "resolve"]\n`
      await writeFile(join(folder, 'hosts.toml'), mirror)
      return `--hosts-dir=${join(directory, 'hosts')}`
    }
  })
}

async function assertRuns(client: Client, run: readonly string[]): Promise<void> {
  assert.equal(await outputOf(client, [...run, 'jq', '--null-input', '6*7']), '42\n')
}

/** A service account's key that no server knows. */
async function writeThrowAwayKey(directory: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const key = {
    type: 'service_account',
    project_id: 'tests',
    private_key_id: '1',
    private_key: privateKey,
    client_email: 'nixery@tests.iam.gserviceaccount.com',
    client_id: '1',
    token_uri: 'http://127.0.0.1:1/token',
  }
  const path = join(directory, 'key.json')
  await writeFile(path, JSON.stringify(key))
  return path
}
