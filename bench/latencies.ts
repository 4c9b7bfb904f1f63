import { Agent, request } from 'node:http'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { mediaTypes } from '#core/oci/media-types.ts'
import type { Figure } from './figure.ts'

// Few enough to leave the cores to whoever else wants them, enough for a 99th percentile.
const pauseMs = 5

/** Asks for each path in turn, one request at a time, until `over`; gives percentiles per path. */
export async function measureLatencies(
  address: string,
  paths: Readonly<Record<string, string>>,
  over: Promise<unknown>,
): Promise<readonly Figure[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const samples = new Map(Object.keys(paths).map((name) => [name, [] as number[]]))
  const stop = new AbortController()
  const ended = over.finally(() => stop.abort())
  // A failure is told below.
  ended.catch(() => {})
  do {
    for (const [name, path] of Object.entries(paths)) {
      const startedAtMs = performance.now()
      await get(`http://${address}${path}`, agent)
      samples.get(name)!.push(performance.now() - startedAtMs)
      await delay(pauseMs)
    }
  } while (!stop.signal.aborted)
  agent.destroy()
  await ended
  return [...samples].flatMap(([name, latenciesMs]) => [
    { name: `${name}, median`, unit: 'ms', value: percentile(latenciesMs, 50) },
    { name: `${name}, 99th percentile`, unit: 'ms', value: percentile(latenciesMs, 99) },
  ])
}

async function get(url: string, agent: Agent): Promise<void> {
  const asking = request(url, { agent, headers: { Accept: mediaTypes.ociManifest } })
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  const body = await buffer(response)
  if (response.statusCode !== 200)
    throw new Error(`${url}: ${response.statusCode} ${body.toString()}`)
}

function percentile(samples: readonly number[], rank: number): number {
  const sorted = samples.toSorted((one, other) => one - other)
  return sorted[Math.ceil((sorted.length * rank) / 100) - 1]!
}
