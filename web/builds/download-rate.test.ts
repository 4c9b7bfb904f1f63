import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addSample, downloadRate, type DownloadSample } from './download-rate.ts'

function rateOf(...samples: DownloadSample[]): number | undefined {
  return downloadRate(samples.reduce<readonly DownloadSample[]>(addSample, []))
}

test('downloadRate() is bytes per second of the last seconds', () => {
  assert.equal(rateOf({ atMs: 0, bytes: 0 }, { atMs: 2000, bytes: 500 }), 250)
  const old = { atMs: 0, bytes: 0 }
  assert.equal(rateOf(old, { atMs: 60_000, bytes: 10 }, { atMs: 61_000, bytes: 30 }), 20)
})

test('downloadRate() is unknown without a time that passed', () => {
  assert.equal(rateOf(), undefined)
  assert.equal(rateOf({ atMs: 5, bytes: 1 }), undefined)
  assert.equal(rateOf({ atMs: 5, bytes: 1 }, { atMs: 5, bytes: 2 }), undefined)
})

test('addSample() begins anew when the count does', () => {
  assert.equal(rateOf({ atMs: 0, bytes: 900 }, { atMs: 100, bytes: 1 }), undefined)
})
