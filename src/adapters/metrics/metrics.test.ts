import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { createMetrics, type Metrics } from './metrics.ts'

/** Every value by its name and labels, as Prometheus reads them. */
async function valuesOf(metrics: Metrics): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const [, name = '', value = ''] = /^(\S+) (\S+)$/.exec(line) ?? assert.fail(line)
      return [name, Number(value)]
    }),
  )
}

const digest = digestOf('x')
const request = {
  method: 'GET',
  path: '/v2/shell/git/manifests/latest',
  status: 200,
  sentBytes: 100,
  durationMs: 1,
  userAgent: 'docker',
  complete: true,
}

test('createMetrics() counts what happens to the storage', async () => {
  const metrics = createMetrics()
  const { storage } = metrics
  storage.observe({ kind: 'blob-quarantined', digest, sizeBytes: 5 })
  storage.observe({ kind: 'blob-missing', digest })
  storage.observe({ kind: 'blob-missing', digest })
  for (const images of [1, 2])
    storage.observe({ kind: 'garbage-collected', images, blobs: 4, sizeBytes: 8, durationMs: 500 })
  storage.observe({ kind: 'collection-skipped', collector: 'gc-1' })
  for (const subject of ['garbage', 'packages'] as const)
    storage.observe({ kind: 'collection-failed', subject, error: new Error('x') })
  storage.observe({ kind: 'packages-collected', paths: 2, sizeBytes: 9 })
  const values = await valuesOf(metrics)
  const expected = {
    nixery_storage_blobs_quarantined_total: 1,
    nixery_storage_blobs_missing_total: 2,
    'nixery_gc_runs_total{result="collected"}': 2,
    'nixery_gc_runs_total{result="skipped"}': 1,
    'nixery_gc_runs_total{result="failed"}': 1,
    nixery_gc_removed_images_total: 3,
    nixery_gc_removed_blobs_total: 8,
    nixery_gc_removed_bytes_total: 16,
    nixery_gc_removed_package_bytes_total: 9,
    'nixery_gc_package_runs_total{result="collected"}': 1,
    'nixery_gc_package_runs_total{result="failed"}': 1,
    nixery_gc_duration_seconds_sum: 1,
    nixery_gc_duration_seconds_count: 2,
    'nixery_gc_duration_seconds_bucket{le="1"}': 2,
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(values.get(name), value, name)
})

test('createMetrics() counts builds and their layers', async () => {
  const metrics = createMetrics()
  const { builds } = metrics
  const started = {
    kind: 'started',
    name: 'git',
    tag: 'latest',
    request: {
      packages: ['git'],
      platform: { os: 'linux', architecture: 'amd64' },
      shell: false,
      options: {},
    },
    source: '',
    revision: 'r',
  } as const
  for (const build of ['1', '2', '3']) builds.observe(build, started)
  builds.observe('1', { kind: 'layer-packed', layer: 0, digest, sizeBytes: 7, archiveSizeBytes: 9 })
  builds.observe('1', { kind: 'layer-reused', layer: 1, digest, sizeBytes: 7 })
  builds.observe('1', { kind: 'finished', manifest: digest, sizeBytes: 7 })
  builds.observe('2', { kind: 'aborted', reason: 'x' })
  // It waited for its turn in vain.
  builds.observe('4', { ...started, kind: 'queued' })
  builds.observe('4', { kind: 'aborted', reason: 'x' })
  const values = await valuesOf(metrics)
  const expected = {
    nixery_builds_running: 1,
    'nixery_builds_total{result="finished"}': 1,
    'nixery_builds_total{result="failed"}': 0,
    'nixery_builds_total{result="aborted"}': 2,
    'nixery_layers_total{result="packed"}': 1,
    'nixery_layers_total{result="reused"}': 1,
    nixery_layers_packed_bytes_total: 7,
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(values.get(name), value, name)
})

test('createMetrics() counts requests by the class of their status, and says nothing of what was asked for', async () => {
  const metrics = createMetrics()
  metrics.requests.request(request)
  metrics.requests.request({ ...request, status: 206, complete: false })
  metrics.requests.request({ ...request, status: 404, sentBytes: 1 })
  const values = await valuesOf(metrics)
  assert.equal(values.get('nixery_http_requests_total{status="2xx"}'), 2)
  assert.equal(values.get('nixery_http_requests_total{status="4xx"}'), 1)
  assert.equal(values.get('nixery_http_requests_total{status="5xx"}'), 0)
  assert.equal(values.get('nixery_http_sent_bytes_total'), 201)
  assert.equal(values.get('nixery_http_incomplete_total'), 1)
  assert.doesNotMatch(await metrics.text(), /shell|docker/)
})

test('createMetrics() begins at zero each time, in the text format of Prometheus', async () => {
  const first = createMetrics()
  first.requests.request(request)
  const other = createMetrics()
  const values = await valuesOf(other)
  assert.ok(values.size > 20)
  assert.deepEqual([...values.values()].filter(Boolean), [])
  assert.match(other.contentType, /^text\/plain; version=0\.0\.4/)
  assert.match(
    await other.text(),
    /^# HELP nixery_gc_runs_total .*\n# TYPE nixery_gc_runs_total counter$/m,
  )
})
