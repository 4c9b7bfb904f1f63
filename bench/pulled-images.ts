import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { mediaTypes } from '#core/oci/media-types.ts'
import { fetchManifest } from './manifest.ts'

// As many as machines of a small cluster that pull at once.
const pullsAtOnce = 8

/** Pulls an image as often as asked for: its manifest by tag, and then every layer. */
export async function pullImages(address: string, name: string, count: number): Promise<void> {
  const { layers } = await fetchManifest(address, name)
  const paths = [
    `/v2/${name}/manifests/latest`,
    ...layers.map(({ digest }) => `/v2/${name}/blobs/${digest}`),
  ]
  const agent = new Agent({ keepAlive: true, maxSockets: pullsAtOnce })
  let left = count
  const pullOneByOne = async () => {
    while (left > 0) {
      left -= 1
      for (const path of paths) await get(`http://${address}${path}`, agent)
    }
  }
  await Promise.all(Array.from({ length: pullsAtOnce }, pullOneByOne))
  agent.destroy()
}

/** The body is thrown away as it comes. */
async function get(url: string, agent: Agent): Promise<void> {
  const asking = request(url, { agent, headers: { Accept: mediaTypes.ociManifest } })
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode}`)
}
