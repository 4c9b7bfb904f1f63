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

/** Asks for an image by name, as the start of a pull does, and comes again until it is built. */
export async function fetchManifest(address: string, name: string): Promise<Manifest> {
  const signal = AbortSignal.timeout(manifestTimeoutMs)
  for (;;) {
    const { status, body } = await askForManifest(address, name, signal)
    if (status === 200) return JSON.parse(body) as Manifest
    // Longer than four minutes nobody is kept waiting; the build goes on.
    if (!body.includes('STILL_BUILDING')) throw new Error(`${name}: ${status} ${body}`)
  }
}

async function askForManifest(
  address: string,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const asking = request(`http://${address}/v2/${name}/manifests/latest`, {
    headers: { Accept: mediaTypes.ociManifest },
    signal,
    agent: false,
  })
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  return { status: response.statusCode, body: (await buffer(response)).toString() }
}

export function biggestLayer({ layers }: Manifest): Descriptor {
  return layers.reduce((one, other) => (other.size > one.size ? other : one))
}

export function smallestLayer({ layers }: Manifest): Descriptor {
  return layers.reduce((one, other) => (other.size < one.size ? other : one))
}
