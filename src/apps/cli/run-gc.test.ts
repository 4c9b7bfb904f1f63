import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import type { RetentionPolicy } from '#core/retention/retention-policy.ts'
import type { Collected } from '#engine/upkeep/collect-garbage.ts'
import type { CollectedStore } from '#engine/ports/store-collector.ts'
import type { CollectionOutcome } from '#engine/upkeep/schedule-collections.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import type { GivenLimits } from './gc-arguments.ts'
import { runGc } from './run-gc.ts'

const { signal } = new AbortController()
const dayMs = 86_400_000
const nowMs = 100 * dayMs
const revision = 'debian-0123456789abcdef0123456789abcdef0123456789abcdef'

const collected: Collected = {
  kind: 'collected',
  images: Array.from({ length: 22 }, (_, index) => ({
    key: cacheKeyOf(index),
    ...(index > 0 && { about: { name: `p${index}`, platform: 'linux/arm64', revision } }),
    usedMs: nowMs - 31 * dayMs,
    madeMs: 0,
    sizeBytes: 1024 * (index + 1),
  })),
  builds: 1,
  blobs: 44,
  sizeBytes: 3 * 2 ** 30,
  unreadable: 0,
  quarantined: 1,
  staged: 2,
  fresh: { images: 1, blobs: 2 },
  left: { images: 5, blobs: 10, sizeBytes: 2 ** 20 },
  durationMs: 5,
}

const collectedStore: CollectedStore = {
  sizeBytes: 30 * 2 ** 30,
  removedPaths: 7,
  removedBytes: 10 * 2 ** 30,
}

interface Asked {
  readonly policy: RetentionPolicy
  readonly dryRun: boolean
  mostBytes?: number
}

async function run(
  args: readonly string[],
  limits: GivenLimits = {},
  answer: CollectionOutcome = collected,
) {
  const asked: Asked[] = []
  const [out, err] = [[] as string[], [] as string[]]
  const code = await runGc(
    args,
    {
      clock: createManualClock(),
      nowMs: () => nowMs,
      describeStorage: () => '/s',
      limits: () => limits,
      async collect(policy, { dryRun, observe }) {
        asked.push({ policy, dryRun })
        observe({ kind: 'looking', done: 1, total: 2 })
        observe({ kind: 'looking', done: 2, total: 2 })
        observe({ kind: 'removing', done: 1, total: 1 })
        return answer
      },
      async collectStore({ mostBytes }) {
        asked.at(-1)!.mostBytes = mostBytes
        return collectedStore
      },
    },
    { stdout: { write: (text) => out.push(text) }, stderr: { write: (text) => err.push(text) } },
    signal,
  )
  return { code, asked: asked[0], out: out.join(''), err: err.join('') }
}

test('runGc() says what was removed and what is left', async () => {
  const { code, asked, out, err } = await run(['--max-size', '1GiB'])
  assert.equal(code, 0)
  assert.deepEqual(asked, {
    policy: { mostBytes: 2 ** 30, graceMs: 3_600_000 },
    dryRun: false,
  })
  assert.deepEqual(out.split('\n'), [
    'removed 22 images, 1 cached layer and 44 blobs: 3.0 GiB freed',
    'left in /s: 5 images and 10 blobs, 1.0 MiB',
    'kept for now, because just used or written: 1 image and 2 blobs',
    'also removed 1 blob in quarantine, 2 unfinished uploads',
    '',
  ])
  assert.match(err, /^looking 2\/2 \(100 %\).*\nremoving 1\/1 \(100 %\).*\n$/)
})

test('runGc() lists what a dry run would remove', async () => {
  const { asked, out } = await run(['--unused', '30d', '--dry-run'])
  assert.equal(asked?.dryRun, true)
  const lines = out.split('\n')
  assert.equal(lines[1], `  ${cacheKeyOf(0)}  used 31d ago  1.0 KiB`, 'of an older version')
  assert.equal(lines[2], '  p1 (linux/arm64) of debian-0123456789ab  used 31d ago  2.0 KiB')
  assert.equal(lines.filter((line) => line.includes('ago')).length, 20)
  assert.match(out, /^ {2}and 2 more; --json lists all$/m)
  assert.match(out, /^would remove 22 images, .*: 3\.0 GiB less$/m)
  assert.match(out, /^would also remove 1 blob in quarantine, 2 unfinished uploads$/m)
})

test('runGc() says that there is nothing at all', async () => {
  const nothing = { images: 0, blobs: 0 }
  const empty: Collected = {
    ...collected,
    images: [],
    builds: 0,
    blobs: 0,
    sizeBytes: 0,
    quarantined: 0,
    staged: 0,
    fresh: nothing,
    left: { ...nothing, sizeBytes: 0 },
  }
  assert.equal((await run(['--unused', '30d'], {}, empty)).out, '/s is empty\n')
  const { out } = await run(['--unused', '30d'], {}, { ...empty, staged: 1 })
  assert.match(out, /^removed 0 images, [^]*^also removed 1 unfinished upload$/m)
})

test('runGc() takes from the configuration what the command line leaves out', async () => {
  const limits = { unusedMs: dayMs, mostBytes: 5, nixStoreBytes: 7 }
  const { asked, out, err } = await run(['--max-size', '1KiB', '--grace', '2h'], limits)
  assert.deepEqual(asked, {
    policy: { unusedMs: dayMs, mostBytes: 1024, graceMs: 7_200_000 },
    dryRun: false,
    mostBytes: 7,
  })
  assert.match(out, /^Nix store: 30\.0 GiB, removed 7 store paths of 10\.0 GiB$/m)
  assert.doesNotMatch(err, /no limit/)
})

test('runGc() says what could be set when nothing is', async () => {
  const { code, asked, err } = await run([])
  assert.deepEqual([code, asked?.policy], [0, { graceMs: 3_600_000 }])
  assert.match(err, /^no limit is set, so only what no image needs goes; --unused/)
})

test('runGc() gives way to another collector, and still looks after the Nix store', async () => {
  const busy: CollectionOutcome = { kind: 'busy', collector: 'gc-1', untilMs: nowMs }
  const { code, asked, out } = await run(['--nix-store', '1GiB'], {}, busy)
  assert.deepEqual([code, asked?.mostBytes], [1, 2 ** 30])
  assert.match(
    out,
    /^nothing was removed from \/s: the collector gc-1 is at work, .* until 1970-04-11T/,
  )
})

test('runGc() prints everything as JSON', async () => {
  const { out } = await run(['--json', '--nix-store', '1GiB'])
  assert.deepEqual(JSON.parse(out), {
    dryRun: false,
    storage: collected,
    nixStore: collectedStore,
  })
})

test('runGc() answers a question for help, and refuses a wrong command line', async () => {
  const help = await run(['--help'])
  assert.deepEqual([help.code, help.asked, help.err], [0, undefined, ''])
  assert.match(help.out, /^usage: nixery gc/)
  const wrong = await run(['--unused', 'x'])
  assert.deepEqual([wrong.code, wrong.asked, wrong.out], [2, undefined, ''])
  assert.match(wrong.err, /^nixery: --unused x must be .*\n\nusage: /)
})
