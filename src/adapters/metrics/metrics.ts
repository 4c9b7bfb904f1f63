import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { BuildObserver } from '#engine/ports/build-observer.ts'
import type { RequestLog } from '#engine/ports/request-log.ts'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'

/** Counts what happens, for Prometheus. Names of images are no labels: there is no end of them. */
export interface Metrics {
  readonly storage: StorageObserver
  readonly builds: BuildObserver
  readonly requests: Pick<RequestLog, 'request'>
  /** Everything counted since the start of the process, in the format that `contentType` names. */
  text(): Promise<string>
  readonly contentType: string
}

/** Metrics of their own: those of two never mix. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  return {
    storage: countStorage(registry),
    builds: countBuilds(registry),
    requests: countRequests(registry),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function counter<Label extends string = never>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly Label[] = [],
): Counter<Label> {
  return new Counter({ name, help, labelNames, registers: [registry] })
}

/** Counters that stand at zero from the start: an alert on an increase must see the first one. */
function labelled<Label extends string>(
  counted: Counter<Label>,
  label: Label,
  values: readonly string[],
): void {
  for (const value of values) counted.inc({ [label]: value } as Record<Label, string>, 0)
}

// From an empty directory to a bucket of a million objects.
const collectionSeconds = [0.1, 1, 10, 60, 300, 900, 3600]

function countStorage(registry: Registry): StorageObserver {
  const quarantined = counter(
    registry,
    'nixery_storage_blobs_quarantined_total',
    'Blobs whose bytes were not what their names say, moved out of the way.',
  )
  const missing = counter(
    registry,
    'nixery_storage_blobs_missing_total',
    'Times that a blob of a stored image was not there or not whole.',
  )
  const runs = counter(registry, 'nixery_gc_runs_total', 'Garbage collections by their end.', [
    'result',
  ])
  labelled(runs, 'result', ['collected', 'skipped', 'failed'])
  const images = counter(
    registry,
    'nixery_gc_removed_images_total',
    'Images removed by garbage collections.',
  )
  const blobs = counter(
    registry,
    'nixery_gc_removed_blobs_total',
    'Blobs removed by garbage collections.',
  )
  const bytes = counter(
    registry,
    'nixery_gc_removed_bytes_total',
    'Bytes of the storage freed by garbage collections.',
  )
  const duration = new Histogram({
    name: 'nixery_gc_duration_seconds',
    help: 'How long garbage collections took.',
    buckets: collectionSeconds,
    registers: [registry],
  })
  const packageRuns = counter(
    registry,
    'nixery_gc_package_runs_total',
    'Collections of the Nix store of this machine by their end.',
    ['result'],
  )
  labelled(packageRuns, 'result', ['collected', 'failed'])
  const packageBytes = counter(
    registry,
    'nixery_gc_removed_package_bytes_total',
    'Bytes of packages removed from the Nix store of this machine.',
  )
  return {
    observe(event) {
      switch (event.kind) {
        case 'blob-quarantined':
          return quarantined.inc()
        case 'blob-missing':
          return missing.inc()
        case 'garbage-collected':
          runs.inc({ result: 'collected' })
          images.inc(event.images)
          blobs.inc(event.blobs)
          bytes.inc(event.sizeBytes)
          return duration.observe(event.durationMs / 1000)
        case 'collection-skipped':
          return runs.inc({ result: 'skipped' })
        case 'packages-collected':
          packageRuns.inc({ result: 'collected' })
          return packageBytes.inc(event.sizeBytes)
        case 'collection-failed':
          return (event.subject === 'garbage' ? runs : packageRuns).inc({ result: 'failed' })
      }
    },
  }
}

function countBuilds(registry: Registry): BuildObserver {
  const running = new Gauge({
    name: 'nixery_builds_running',
    help: 'Builds in progress.',
    registers: [registry],
  })
  const builds = counter(registry, 'nixery_builds_total', 'Builds by their end.', ['result'])
  labelled(builds, 'result', ['finished', 'failed', 'aborted'])
  const layers = counter(
    registry,
    'nixery_layers_total',
    'Layers of builds, packed or found in the storage.',
    ['result'],
  )
  labelled(layers, 'result', ['packed', 'reused'])
  const packedBytes = counter(
    registry,
    'nixery_layers_packed_bytes_total',
    'Compressed bytes of the layers that were packed.',
  )
  // One that is given up before its turn has not begun.
  const begun = new Set<string>()
  return {
    observe(build, event) {
      switch (event.kind) {
        case 'started':
          begun.add(build)
          return running.set(begun.size)
        case 'layer-packed':
          layers.inc({ result: 'packed' })
          return packedBytes.inc(event.sizeBytes)
        case 'layer-reused':
          return layers.inc({ result: 'reused' })
        case 'finished':
        case 'failed':
        case 'aborted':
          begun.delete(build)
          running.set(begun.size)
          return builds.inc({ result: event.kind })
        case 'queued':
        case 'evaluated':
        case 'realising':
        case 'planned':
        case 'layer-progress':
          return
      }
    },
  }
}

function countRequests(registry: Registry): Pick<RequestLog, 'request'> {
  const requests = counter(
    registry,
    'nixery_http_requests_total',
    'Requests by the class of their status.',
    ['status'],
  )
  labelled(requests, 'status', ['2xx', '3xx', '4xx', '5xx'])
  const incomplete = counter(
    registry,
    'nixery_http_incomplete_total',
    'Responses that ended too early: the client hung up, or the service broke off.',
  )
  const sentBytes = counter(
    registry,
    'nixery_http_sent_bytes_total',
    'Bytes of responses, with their headers.',
  )
  return {
    request({ status, sentBytes: bytes, complete }) {
      requests.inc({ status: `${Math.floor(status / 100)}xx` })
      sentBytes.inc(bytes)
      if (!complete) incomplete.inc()
    },
  }
}
