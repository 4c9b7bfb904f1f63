import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { storageFolders } from '#adapters/storage/storage-layout.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import {
  bucketKinds,
  startBucket,
  whyNoBucket,
  type BucketUnderTest,
} from '#test/storage/bucket-under-test.ts'
import type { FaultProxy } from '#test/storage/fault-proxy.ts'
import { withoutFaults } from '#test/storage/fault.ts'
import { findBucketViolations } from '#test/storage/find-bucket-violations.ts'
import { seededFaults } from '#test/storage/seeded-faults.ts'
import { commitPackageSet } from './commit-package-set.ts'
import { eventually } from './eventually.ts'
import { pullMixedly } from './mixed-pulls.ts'
import { pullImage, requestManifest } from './pull-image.ts'
import type { RegistryProcess } from './registry-process.ts'
import { makeSite, siteCommands, type RegistrySite } from './registry-site.ts'

const seed = Number(process.env['NIXERY_TEST_SEED'] ?? 4)

// They share most of their layers, and differ in others.
const names = [
  'tool',
  'greeting',
  'odd-name',
  'tool/greeting',
  'odd-name/tool',
  'many-outputs',
  'many-outputs/tool',
  'odd-files/greeting',
  'is-a-link/odd-name',
  'heavy/tool',
]

const pulls = 200
const faultOneIn = 10

for (const kind of bucketKinds) {
  const skip = skipUnless([...siteCommands, 'git']) || (await whyNoBucket(kind))
  suite(`two services on one bucket of ${kind}`, { skip, timeout: 900_000 }, () => {
    test(`survive ${pulls} mixed pulls with faults, seed ${seed}`, async (context) => {
      await using site = await makeSite()
      await commitPackageSet(site)
      await using bucket = await startBucket(kind)
      await using proxies = await startProxies(bucket)
      const [first, second] = proxies.all
      // One serves layers itself, from a cache that holds the small ones; the other one redirects.
      await using proxying = await startService(site, bucket, first, 'proxying', {
        NIXERY_SERVE_BLOBS: 'proxy',
        NIXERY_NEAR_CACHE_MIB: '1',
      })
      await using redirecting = await startService(site, bucket, second, 'redirecting', {
        NIXERY_SERVE_BLOBS: 'redirect',
        NIXERY_NEAR_CACHE_MIB: '0',
      })
      const services = [proxying, redirecting] as const

      const { digests, retries } = await pullMixedly({
        urls: services.map(({ url }) => url),
        names,
        pulls,
        seed,
      })
      report(context, proxies.all, retries)
      for (const { faults } of proxies.all) {
        assert.ok(faults.length >= 20, `${faults.length} faults`)
        assert.ok(new Set(faults.map((fault) => fault.kind)).size >= 5)
      }
      for (const proxy of proxies.all) proxy.plan = withoutFaults
      for (const name of names) {
        const found = await Promise.all(services.map(({ url }) => pullImage(url, name)))
        assert.deepEqual([...(digests.get(name) ?? [])], [found[0]], name)
        assert.equal(found[0], found[1], name)
      }
      assert.deepEqual(await findBucketViolations(bucket), [])
      assert.equal((await bucket.list('manifests/')).length, names.length)
      for (const service of services) {
        assert.equal((await service.kill('SIGTERM')).exitCode, 0)
        assert.deepEqual(unexpectedErrors(service), [])
      }
      assert.deepEqual(await bucket.list('quarantine/'), [], 'nothing was damaged')
      // What a sweep would take lies in staging, too; nothing is left anywhere else.
      const folders = new Set((await bucket.list('')).map((key) => key.split('/', 1)[0]!))
      assert.deepEqual(folders.difference(new Set(storageFolders)), new Set())
      await verify(site, bucket)
    })

    test('one is killed in mid-build, and the other one makes the image', async () => {
      await using site = await makeSite()
      await commitPackageSet(site)
      await using bucket = await startBucket(kind)
      await using proxy = await bucket.startProxy()
      await using first = await startService(site, bucket, proxy, 'first')
      // Small layers arrive, the large one is on its way for ever.
      proxy.plan = ({ bodyBytes }) => (isLarge(bodyBytes) ? { kind: 'black-hole' } : undefined)
      const cutOff = assert.rejects(requestManifest(first.url, 'heavy/tool'))
      await eventually('an upload in progress', () => proxy.faults.length > 0 || undefined)
      await first.kill('SIGKILL')
      await cutOff
      assert.deepEqual(await findBucketViolations(bucket), [])
      assert.deepEqual(await bucket.list('manifests/'), [])

      proxy.plan = withoutFaults
      await using second = await startService(site, bucket, proxy, 'second')
      const digest = await pullImage(second.url, 'heavy/tool')
      assert.deepEqual(await findBucketViolations(bucket), [])
      await using directory = await site.start()
      assert.equal(await pullImage(directory.url, 'heavy/tool'), digest, 'as in a directory')
    })

    test('a layer of several parts arrives through broken uploads', async (context) => {
      await using site = await makeSite()
      await addLargePackage(site)
      await commitPackageSet(site)
      await using bucket = await startBucket(kind)
      await using proxies = await startProxies(bucket)
      const [first, second] = proxies.all
      const environment = { NIXERY_SPOOL_MIB: '32', NIXERY_SERVE_BLOBS: 'proxy' }
      await using one = await startService(site, bucket, first, 'one', environment)
      await using other = await startService(site, bucket, second, 'other', environment)
      for (const proxy of proxies.all) {
        let resets = 0
        // The first uploads of parts and some of their repetitions.
        proxy.plan = ({ bodyBytes }) =>
          isLarge(bodyBytes) && (resets += 1) <= 3
            ? { kind: 'reset', afterBytes: bodyBytes / 2 }
            : undefined
      }
      const digests = await Promise.all([one, other].map(({ url }) => pullImage(url, 'large')))
      assert.equal(digests[0], digests[1])
      const faults = proxies.all.flatMap((proxy) => proxy.faults)
      context.diagnostic(`${faults.length} uploads were reset`)
      assert.ok(faults.length >= 2, `${faults.length} uploads were reset`)
      assert.deepEqual(await findBucketViolations(bucket), [])
      assert.deepEqual(await bucket.list('staging/'), [])
    })
  })
}

/** Whether a request brings the large layer of an image or a part of it. */
function isLarge(bodyBytes: number): boolean {
  return bodyBytes > 1_000_000
}

type Proxies = AsyncDisposable & { readonly all: readonly [FaultProxy, FaultProxy] }

async function startProxies(bucket: BucketUnderTest): Promise<Proxies> {
  const all = [
    await bucket.startProxy(seededFaults(seed, faultOneIn)),
    await bucket.startProxy(seededFaults(seed + 1, faultOneIn)),
  ] as const
  return {
    all,
    async [Symbol.asyncDispose]() {
      for (const proxy of all) await proxy[Symbol.asyncDispose]()
    },
  }
}

/** A service as on a machine of its own: it shares nothing but the bucket, and the store of Nix. */
function startService(
  site: RegistrySite,
  bucket: BucketUnderTest,
  proxy: FaultProxy,
  name: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<RegistryProcess> {
  const stateDirectory = join(site.directory, name)
  return site.start({
    environment: {
      STORAGE_PATH: '',
      NIXERY_STATE_DIRECTORY: stateDirectory,
      ...bucket.environment(proxy.url),
      ...environment,
    },
  })
}

function report(
  context: TestContext,
  proxies: readonly FaultProxy[],
  retries: readonly number[],
): void {
  const counts = new Map<string, number>()
  for (const { kind } of proxies.flatMap(({ faults }) => faults))
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const requests = proxies.reduce((sum, proxy) => sum + proxy.requests.length, 0)
  const faults = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
  context.diagnostic(`of ${requests} requests to the bucket: ${faults}`)
  context.diagnostic(`pulls by retries that they needed: ${retries.join(', ')}`)
}

/** What the log calls an error and is not what the proxies did. */
function unexpectedErrors({ log }: RegistryProcess): readonly unknown[] {
  return log
    .filter(({ level }) => level === 'error')
    .filter(({ error }) => !/^STORAGE_(BUSY|FAILED): /.test(String(error)))
}

/** `nixery verify` finds nothing. */
async function verify(site: RegistrySite, bucket: BucketUnderTest): Promise<void> {
  const root = join(import.meta.dirname, '..', '..')
  const node = join(root, 'node_modules', '.bin', 'node')
  const command = [join(root, 'src/main.ts'), 'verify']
  const { exitCode, stdout, stderr } = await runCommand(node, command, {
    env: {
      ...bucket.environment(bucket.url),
      NIXERY_STATE_DIRECTORY: join(site.directory, 'verifying'),
    },
  })
  assert.equal(exitCode, 0, `${stdout}${stderr}`)
}

// One part of an upload and a half.
const largeBytes = 24 * 1024 * 1024

/** A package that does not get smaller; the same in every run, so that Nix makes it once. */
async function addLargePackage({ directory }: RegistrySite): Promise<void> {
  const set = join(directory, 'set')
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
  await writeFile(join(set, 'noise'), noise.update(Buffer.alloc(largeBytes)))
  await rename(join(set, 'default.nix'), join(set, 'heavy.nix'))
  const expression = `{ system, ... }:
    let busybox = builtins.path { path = ./awkward/busybox; name = "tools"; };
    in import ./heavy.nix { inherit system; } // {
      large = derivation {
        inherit system;
        name = "large-1.0";
        builder = "\${busybox}/bin/busybox";
        args = [ "cp" ./noise (placeholder "out") ];
      };
    }`
  await writeFile(join(set, 'default.nix'), expression)
}
