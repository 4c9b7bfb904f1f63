import { mediaTypes } from '#core/oci/media-types.ts'
import type { Figure } from './figure.ts'
import { measureLoad } from './load.ts'
import type { Descriptor } from './manifest.ts'
import { readProcessorSeconds } from './process-usage.ts'
import { imageName } from './workbench.ts'

// More than the cores have use for, as pulls of several machines at once.
const requestConnections = 8
// Docker and containerd fetch three layers at once: one pull, and some of another.
const downloadConnections = 4

/** A registry on this machine: where it answers, and its process. */
export interface RegistryProcess {
  readonly address: string
  readonly pid: number
}

/** GETs of the manifest by its tag, as every pull begins. */
export function measureManifestGets(registry: RegistryProcess): Promise<readonly Figure[]> {
  return measureRequests(registry, `/v2/${imageName}/manifests/latest`)
}

/** GETs of a small blob: what a request costs, whatever it carries. */
export function measureBlobRequests(
  registry: RegistryProcess,
  blob: Descriptor,
): Promise<readonly Figure[]> {
  return measureRequests(registry, blobPath(blob))
}

/** GETs of a big blob: what a byte costs. */
export async function measureBlobThroughput(
  { address, pid }: RegistryProcess,
  blob: Descriptor,
): Promise<readonly Figure[]> {
  const secondsBefore = await readProcessorSeconds(pid)
  const { bytes, seconds } = await measureLoad(`http://${address}${blobPath(blob)}`, {
    connections: downloadConnections,
  })
  const processorSeconds = (await readProcessorSeconds(pid)) - secondsBefore
  return [
    { name: 'throughput', unit: 'MB/s', value: bytes / 1e6 / seconds },
    { name: 'processor time', unit: 's/GB', value: processorSeconds / (bytes / 1e9) },
  ]
}

async function measureRequests(
  { address, pid }: RegistryProcess,
  path: string,
): Promise<readonly Figure[]> {
  const secondsBefore = await readProcessorSeconds(pid)
  const { requests, seconds, p99Ms } = await measureLoad(`http://${address}${path}`, {
    connections: requestConnections,
    accept: mediaTypes.ociManifest,
  })
  const processorSeconds = (await readProcessorSeconds(pid)) - secondsBefore
  return [
    { name: 'requests', unit: 'requests/s', value: requests / seconds },
    { name: '99th percentile', unit: 'ms', value: p99Ms },
    { name: 'processor time each', unit: 'ms', value: (processorSeconds * 1000) / requests },
  ]
}

function blobPath({ digest }: Descriptor): string {
  return `/v2/${imageName}/blobs/${digest}`
}
