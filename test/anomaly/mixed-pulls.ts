import { BrokenPull, pullKinds, pullMixed, type PullKind } from './mixed-pull.ts'
import { seededRandom } from './random.ts'

export interface MixedPulls {
  readonly urls: readonly string[]
  readonly names: readonly string[]
  readonly pulls: number
  readonly seed: number
}

interface PullReport {
  /** By name: all digests that any pull gave. */
  readonly digests: ReadonlyMap<string, ReadonlySet<string>>
  /** How many pulls needed so many retries, by retries. */
  readonly retries: readonly number[]
}

// Most of the time passes while somebody waits to try again.
const lanes = 16

// A fault of a pull that the service could not make good itself, and another one in the next try.
const mostRetries = 2

/**
 * Pulls images by chance, several at once: any of them, from any service, in any way. Throws when one
 * cannot be had by pulling again.
 */
export async function pullMixedly({ urls, names, pulls, seed }: MixedPulls): Promise<PullReport> {
  const random = seededRandom(seed)
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
  const planned = Array.from({ length: pulls }, () => ({
    url: pick(urls),
    name: pick(names),
    kind: pick(pullKinds),
  }))
  const digests = new Map(names.map((name) => [name, new Set<string>()]))
  const retries = Array.from({ length: mostRetries + 1 }, () => 0)
  const queue = planned.values()
  const lane = async () => {
    for (const { url, name, kind } of queue) {
      const pulled = await pullWithRetries(url, name, kind)
      digests.get(name)!.add(pulled.digest)
      retries[pulled.retries]! += 1
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { digests, retries }
}

async function pullWithRetries(
  url: string,
  name: string,
  kind: PullKind,
): Promise<{ readonly digest: string; readonly retries: number }> {
  for (let retries = 0; ; retries += 1) {
    try {
      return { digest: await pullMixed(url, name, kind), retries }
    } catch (error) {
      if (!(error instanceof BrokenPull) || retries === mostRetries) throw error
    }
  }
}
