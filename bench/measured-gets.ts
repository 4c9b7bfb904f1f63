import { mediaTypes } from '#core/oci/media-types.ts'
import type { Figure } from './figure.ts'
import { measureLoad } from './load.ts'
import type { Descriptor } from './manifest.ts'
import { imageName } from './workbench.ts'

// More than the cores have use for, as pulls of several machines at once.
const requestConnections = 8
// As many layers as docker and containerd fetch at once, and one more.
const downloadConnections = 4

/** GETs of the manifest by its tag, as every pull begins. */
export function measureManifestGets(address: string): Promise<readonly Figure[]> {
  return measureRequests(`http://${address}/v2/${imageName}/manifests/latest`)
}

/** GETs of a small blob: what a request costs, whatever it carries. */
export function measureBlobRequests(address: string, blob: Descriptor): Promise<readonly Figure[]> {
  return measureRequests(blobUrl(address, blob))
}

/** GETs of a big blob: what a byte costs. */
export async function measureBlobThroughput(
  address: string,
  blob: Descriptor,
): Promise<readonly Figure[]> {
  const { bytesPerSecond } = await measureLoad(blobUrl(address, blob), {
    connections: downloadConnections,
  })
  return [{ name: 'throughput', unit: 'MB/s', value: bytesPerSecond / 1e6 }]
}

async function measureRequests(url: string): Promise<readonly Figure[]> {
  const { requestsPerSecond, p99Ms } = await measureLoad(url, {
    connections: requestConnections,
    accept: mediaTypes.ociManifest,
  })
  return [
    { name: 'requests', unit: 'requests/s', value: requestsPerSecond },
    { name: '99th percentile', unit: 'ms', value: p99Ms },
  ]
}

function blobUrl(address: string, { digest }: Descriptor): string {
  return `http://${address}/v2/${imageName}/blobs/${digest}`
}
