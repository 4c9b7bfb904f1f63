import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { openFilesystemStorage } from '#adapters/storage/filesystem/filesystem-storage.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { digestOf } from '#core/oci/digest.ts'
import { collectGarbage, type Collected } from '#engine/upkeep/collect-garbage.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { runInLanes } from '#engine/run-in-lanes.ts'
import { serveManifest } from '#engine/serve-manifest.ts'
import { paperTools } from '#test/fakes/paper-images.ts'
import { storageTools } from '#test/fakes/storage-tools.ts'
import { seededRandom } from './random.ts'
import { listenForPulls } from './local-registry.ts'
import { findStorageViolations } from './registry-site.ts'

const { signal } = new AbortController()

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: readonly { readonly digest: string }[]
}

const images = 1000
const layerBytes = 500

// An hour and ten minutes in the product, in the same proportion. A collection takes up to a second beside
// other tests, and its notice must not stand for as long as a claim does.
const graceMs = 18_000
const repeatMs = graceMs / 6

// The first one removes most of what is there, the others what was pulled and not used since.
const leastCollections = 2
const leastMs = 1.5 * graceMs
const pullersAtOnce = 2
const leastPulls = { byTag: 50, byDigest: 10 }

interface Pulls {
  byTag: number
  byDigest: number
  absent: number
  /** Took longer than anything is promised to stay. */
  slow: number
}

suite('a storage of 1,000 images that is collected while images are pulled', () => {
  test('no pull is broken, by tag or by digest', async (context) => {
    const directory = await mkdtemp(join(fastDirectory(), 'nixery-collected-'))
    context.after(() => rm(directory, { recursive: true }))
    const storage = await openFilesystemStorage(directory)
    context.after(() => storage.close())
    await fill(storage)
    await makeOld(directory)
    const before = await sizeOf(storage)
    const failures: unknown[] = []
    const start = () => startRegistry(context, storage, failures)
    const urls = [await start(), await start()]

    const pulls: Pulls = { byTag: 0, byDigest: 0, absent: 0, slow: 0 }
    const ending = new AbortController()
    const pullers = Array.from({ length: pullersAtOnce }, (_, seed) =>
      pullOverAndOver(urls, seededRandom(seed), pulls, ending.signal),
    )
    const collecting = collectOverAndOver(storage, before / 4, pulls, ending.signal)
    const work = [collecting, ...pullers]
    // One that fails ends the others.
    await Promise.race([collecting, Promise.all(pullers)])
      .catch(() => {})
      .finally(() => ending.abort())
    await Promise.allSettled(work)
    const [collected] = await Promise.all([collecting, ...pullers])
    assert.deepEqual(failures.map(String), [])

    assert.deepEqual(await findStorageViolations(directory), [])
    const removedImages = collected.reduce((sum, each) => sum + each.images.length, 0)
    const removedBlobs = collected.reduce((sum, { blobs }) => sum + blobs, 0)
    const longestMs = Math.max(...collected.map(({ durationMs }) => durationMs))
    context.diagnostic(
      `pulls: ${JSON.stringify(pulls)}; ${collected.length} collections removed ` +
        `${removedImages} images and ${removedBlobs} blobs, the longest one in ${longestMs} ms`,
    )
    assert.ok(removedImages > images / 2, 'images were removed')
  })
})

/** In memory, so that no write waits for a disk that other tests keep busy: the grace here is short. */
function fastDirectory(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}

async function pullOverAndOver(
  urls: readonly string[],
  random: () => number,
  pulls: Pulls,
  until: AbortSignal,
): Promise<void> {
  const known = new Map<string, string>()
  while (!until.aborted) {
    // Few are asked for often and most hardly ever, as with real names.
    const name = `p${Math.floor(images * random() ** 4)}`
    const url = urls[random() < 0.5 ? 0 : 1]!
    const digest = random() < 0.5 ? known.get(name) : undefined
    const startMs = performance.now()
    const found = await pull(url, name, digest).catch((error: unknown) => {
      if (performance.now() - startMs < graceMs - repeatMs) throw error
      return 'slow' as const
    })
    if (found === 'slow') pulls.slow += 1
    else if (found === undefined) pulls.absent += 1
    else pulls[digest === undefined ? 'byTag' : 'byDigest'] += 1
    if (found !== undefined && found !== 'slow') known.set(name, found)
  }
}

/** Gives the digest, or `undefined` for a digest that is not there; every blob must be the right one. */
async function pull(
  url: string,
  name: string,
  digest: string | undefined,
): Promise<string | undefined> {
  const answer = await fetch(`${url}/v2/${name}/manifests/${digest ?? 'latest'}`)
  const text = await answer.text()
  if (answer.status === 404 && digest !== undefined) return undefined
  assert.equal(answer.status, 200, `${name}@${digest}: ${text}`)
  const found = digestOf(text)
  assert.equal(answer.headers.get('docker-content-digest'), found)
  const { config, layers } = JSON.parse(text) as Manifest
  for (const blob of [config, ...layers]) {
    const response = await fetch(`${url}/v2/${name}/blobs/${blob.digest}`)
    const bytes = Buffer.from(await response.arrayBuffer())
    assert.equal(response.status, 200, `${blob.digest} of ${name}@${digest}`)
    assert.equal(digestOf(bytes), blob.digest)
  }
  return found
}

/** Collections one after the other, each down to so many bytes. */
async function collectOverAndOver(
  storage: Storage,
  mostBytes: number,
  pulls: Pulls,
  until: AbortSignal,
): Promise<readonly Collected[]> {
  const collected: Collected[] = []
  const startMs = performance.now()
  const isDone = () =>
    collected.length >= leastCollections &&
    performance.now() - startMs >= leastMs &&
    pulls.byTag >= leastPulls.byTag &&
    pulls.byDigest >= leastPulls.byDigest
  while (!isDone() && !until.aborted) {
    const outcome = await collectGarbage(
      storage,
      { mostBytes, graceMs },
      { dryRun: false, collector: 'test', observe: () => {}, nowMs: Date.now },
      signal,
    )
    assert.ok(outcome.kind === 'collected', 'no other collector')
    collected.push(outcome)
  }
  return collected
}

/** As instances would have left it; each write is synced, so they go side by side. */
async function fill(storage: Storage): Promise<void> {
  const tools = paperTools(storageTools(storage), layerBytes)
  const names = Array.from({ length: images }, (_, number) => `p${number}`)
  await runInLanes(
    names,
    32,
    async (name) => {
      const request = { name, tag: 'latest', acceptsIndex: true }
      assert.equal((await serveManifest(tools, request, signal)).kind, 'image')
    },
    signal,
  )
}

/** Nobody has used anything for a day. */
async function makeOld(directory: string): Promise<void> {
  const yesterday = new Date(Date.now() - 24 * 60 * 60 * 1000)
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), yesterday, yesterday)
}

async function sizeOf({ upkeep }: Storage): Promise<number> {
  let sizeBytes = 0
  for await (const blob of upkeep.blobs(signal)) sizeBytes += blob.sizeBytes
  return sizeBytes
}

/** An instance with claims of its own. */
async function startRegistry(
  context: TestContext,
  storage: Storage,
  failures: unknown[],
): Promise<string> {
  const claimOptions = { nowMs: Date.now, clock: systemClock, repeatMs }
  const tools = paperTools(storageTools(storage, claimOptions), layerBytes)
  const registry = await listenForPulls(tools, storage, (error) => failures.push(error))
  context.after(() => registry[Symbol.asyncDispose]())
  return registry.url
}
