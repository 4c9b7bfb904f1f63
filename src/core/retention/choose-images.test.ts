import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { digestOf, type Digest } from '#core/oci/digest.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import { chooseImages, type StoredImage } from './choose-images.ts'
import { findGarbage } from './find-garbage.ts'
import { isFresh, type RetentionPolicy } from './retention-policy.ts'

const nowMs = 10_000
const digests = Array.from({ length: 12 }, (_, index) => digestOf(String(index)))
const sizeOf = (digest: Digest) => 1 + digests.indexOf(digest)
const sizesOf = (pinned: readonly Digest[] = []) => ({ sizeOf, pinned: new Set(pinned) })

function image(name: string, usedMs: number, needs: readonly number[], madeMs = 0): StoredImage {
  return { key: cacheKeyOf(name), usedMs, madeMs, digests: needs.map((index) => digests[index]!) }
}

const someImages = fc
  .array(
    fc.record({
      madeMs: fc.nat(nowMs),
      unusedMs: fc.nat(nowMs),
      needs: fc.uniqueArray(fc.nat(digests.length - 1), { minLength: 1 }),
    }),
    { maxLength: 12 },
  )
  .map((all) =>
    all.map(({ madeMs, unusedMs, needs }, index) =>
      image(String(index), Math.max(madeMs, nowMs - unusedMs), needs, madeMs),
    ),
  )
const limit = fc.option(fc.nat(nowMs), { nil: undefined })
const somePolicy = fc
  .record({
    unusedMs: limit,
    ageMs: limit,
    mostBytes: fc.option(fc.nat(90), { nil: undefined }),
    graceMs: fc.nat(nowMs),
  })
  .map((policy) => policy as RetentionPolicy)
const somePinned = fc.uniqueArray(fc.constantFrom(...digests), { maxLength: 3 })

const choices = fc.record({ images: someImages, policy: somePolicy, pinned: somePinned })

function check(
  holds: (
    images: readonly StoredImage[],
    policy: RetentionPolicy,
    pinned: readonly Digest[],
  ) => void,
): void {
  fc.assert(
    fc.property(choices, ({ images, policy, pinned }) => holds(images, policy, pinned)),
    { numRuns: 1000 },
  )
}

function bytesOf(images: readonly StoredImage[], pinned: readonly Digest[]): number {
  const needed = new Set([...images.flatMap((each) => each.digests), ...pinned])
  return [...needed].reduce((sum, digest) => sum + sizeOf(digest), 0)
}

test('every image is kept or removed, and a fresh one is kept', () => {
  check((images, policy, pinned) => {
    const { kept, removed, spared } = chooseImages(images, sizesOf(pinned), policy, nowMs)
    assert.deepEqual(new Set([...kept, ...removed]), new Set(images))
    assert.equal(kept.length + removed.length, images.length)
    for (const { usedMs } of removed) assert.ok(!isFresh(policy, usedMs, nowMs))
    assert.ok(spared <= kept.filter(({ usedMs }) => isFresh(policy, usedMs, nowMs)).length)
  })
})

test('nothing that is kept needs garbage, and all else is garbage', () => {
  check((images, policy, pinned) => {
    const { kept } = chooseImages(images, sizesOf(pinned), policy, nowMs)
    const garbage = new Set(findGarbage(digests, kept, new Set(pinned)))
    const needed = new Set([...kept.flatMap((each) => each.digests), ...pinned])
    assert.deepEqual(garbage, new Set(digests).difference(needed))
  })
})

test('what is kept fits, unless all of it is fresh', () => {
  check((images, policy, pinned) => {
    const { kept } = chooseImages(images, sizesOf(pinned), policy, nowMs)
    const fits = bytesOf(kept, pinned) <= (policy.mostBytes ?? Number.POSITIVE_INFINITY)
    assert.ok(fits || kept.every(({ usedMs }) => isFresh(policy, usedMs, nowMs)))
  })
})

test('by size the least recently used images go, and no more than need be', () => {
  check((images, { unusedMs: _unused, ageMs: _age, ...policy }, pinned) => {
    const { kept, removed } = chooseImages(images, sizesOf(pinned), policy, nowMs)
    const oldestKeptMs = Math.min(...kept.map(({ usedMs }) => usedMs))
    for (const { usedMs } of removed) assert.ok(usedMs <= oldestKeptMs)
    const last = removed.at(-1)
    if (last === undefined) return
    assert.ok(bytesOf([...kept, last], pinned) > (policy.mostBytes ?? Number.POSITIVE_INFINITY))
  })
})

test('by time exactly those go that are out of date and not fresh', () => {
  check((images, { mostBytes: _most, ...policy }, pinned) => {
    const { removed } = chooseImages(images, sizesOf(pinned), policy, nowMs)
    const { unusedMs = Number.POSITIVE_INFINITY, ageMs = Number.POSITIVE_INFINITY } = policy
    const expected = images.filter(
      ({ usedMs, madeMs }) =>
        (nowMs - usedMs > unusedMs || nowMs - madeMs > ageMs) && !isFresh(policy, usedMs, nowMs),
    )
    assert.deepEqual(new Set(removed), new Set(expected))
  })
})

test('the order of the images does not matter', () => {
  check((images, policy, pinned) => {
    const one = chooseImages(images, sizesOf(pinned), policy, nowMs)
    assert.deepEqual(chooseImages(images.toReversed(), sizesOf(pinned), policy, nowMs), one)
  })
})

test('a layer that a kept image shares frees nothing', () => {
  const old = image('old', 1, [9, 1])
  const used = image('used', 9000, [9])
  const choose = (mostBytes: number) =>
    chooseImages([old, used], sizesOf(), { mostBytes, graceMs: 100 }, nowMs)
  assert.deepEqual(choose(12).removed, [])
  assert.deepEqual(choose(11).removed, [old])
  assert.deepEqual(choose(10).kept, [used])
  assert.deepEqual(choose(9).removed, [old, used])
})

test('pinned blobs count, and images beside them go', () => {
  const old = image('old', 1, [0])
  const policy = { mostBytes: 12, graceMs: 100 }
  assert.deepEqual(chooseImages([old], sizesOf(), policy, nowMs).removed, [])
  assert.deepEqual(chooseImages([old], sizesOf([digests[11]!]), policy, nowMs).removed, [old])
})

test('without limits everything is kept; what the grace holds back is counted', () => {
  const images = [image('a', 1, [0]), image('b', 9_999, [11], 9_999)]
  assert.equal(chooseImages(images, sizesOf(), { graceMs: 0 }, nowMs).kept.length, 2)
  const policy = { mostBytes: 0, graceMs: 100 }
  const { kept, removed, spared } = chooseImages(images, sizesOf(), policy, nowMs)
  assert.deepEqual([removed, kept, spared], [[images[0]], [images[1]], 1])
})
