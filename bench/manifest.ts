import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { mediaTypes } from '#core/oci/media-types.ts'

export interface Manifest {
  readonly layers: readonly Descriptor[]
}

export interface Descriptor {
  readonly digest: string
  readonly size: number
}

// The first image of a machine waits for packages that Nix must build.
const manifestTimeoutMs = 15 * 60_000

/** Asks for an image by name, as the start of a pull does, and waits until it is built. */
export async function fetchManifest(address: string, name: string): Promise<Manifest> {
  const asking = request(`http://${address}/v2/${name}/manifests/latest`, {
    headers: { Accept: mediaTypes.ociManifest },
    signal: AbortSignal.timeout(manifestTimeoutMs),
    agent: false,
  })
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  const body = (await buffer(response)).toString()
  if (response.statusCode !== 200) throw new Error(`${name}: ${response.statusCode} ${body}`)
  return JSON.parse(body) as Manifest
}

export function biggestLayer({ layers }: Manifest): Descriptor {
  return layers.reduce((one, other) => (other.size > one.size ? other : one))
}

export function smallestLayer({ layers }: Manifest): Descriptor {
  return layers.reduce((one, other) => (other.size < one.size ? other : one))
}
