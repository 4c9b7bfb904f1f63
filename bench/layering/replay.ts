import { hash } from 'node:crypto'
import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import { createReleases } from './package-releases.ts'
import { createRandom } from './random.ts'
import type { Package } from './read-closures.ts'
import type { WorkloadStep } from './workload.ts'

export interface Planner {
  readonly name: string
  /** Popularity is counted over the whole set, and again after each update, or in each closure. */
  readonly popularity: 'counted' | 'closure'
  /** Layers from the bottom of the image. */
  plan(graph: ClosureGraph, popularity: Popularity): ReadonlyArray<readonly StorePath[]>
}

/**
 * Who has a layer already: `blob` clients have every blob that they ever pulled, as containerd and
 * Podman; `chain` clients know a layer only above the same layers, as Docker.
 */
export type ClientKind = 'blob' | 'chain'

export interface Pulled {
  readonly planner: string
  readonly clientKind: ClientKind
  readonly clients: number
  readonly blobs: number
  /** Uncompressed. */
  readonly narBytes: number
  readonly costBytes: number
  /** Cost after 0, 20, 40, … requests. */
  readonly curve: readonly number[]
}

/** What a request for a blob costs beside its bytes. */
const costPerBlobBytes = 64 * 1024
/** Of a NAR's bytes, what gzip leaves of them: 69 of 181 MB in docs/performance.md. */
const compressedPart = 0.38
const requestsPerPoint = 20

interface Layer {
  readonly blob: string
  /** The layer and all below it. */
  readonly chain: string
  readonly narBytes: number
}

/** What clients pull that keep what they have, for one planner and several numbers of clients. */
export function replay(
  packages: readonly Package[],
  workload: readonly WorkloadStep[],
  planner: Planner,
  clientCounts: readonly number[],
): readonly Pulled[] {
  const releases = createReleases(packages)
  const count = () =>
    planner.popularity === 'counted' ? releases.popularity() : ({ kind: 'closure' } as const)
  const populations = clientCounts.flatMap((clients) => [
    new Population(planner.name, 'blob', clients),
    new Population(planner.name, 'chain', clients),
  ])
  const planned = new Map<string, readonly Layer[]>()
  let popularity = count()
  for (const step of workload) {
    if (step.kind === 'update') {
      releases.update(step.packages, createRandom(step.seed))
      popularity = count()
      planned.clear()
      continue
    }
    const name = step.packages.join(' ')
    const image =
      planned.get(name) ?? planImage(planner, releases.closure(step.packages), popularity)
    planned.set(name, image)
    for (const population of populations) population.pull(image)
  }
  return populations.map((population) => population.pulled())
}

function planImage(
  planner: Planner,
  graph: ClosureGraph,
  popularity: Popularity,
): readonly Layer[] {
  const sizes = new Map(graph.nodes.map(({ path, narSizeBytes }) => [path, narSizeBytes]))
  let chain = ''
  return planner.plan(graph, popularity).map((paths) => {
    const blob = digest(paths.toSorted().join(' '))
    chain = digest(`${chain} ${blob}`)
    return { blob, chain, narBytes: paths.reduce((sum, path) => sum + sizes.get(path)!, 0) }
  })
}

function digest(text: string): string {
  return hash('sha256', text)
}

/** Clients that take turns at random, the same ones for every planner. */
class Population {
  readonly #planner: string
  readonly #clientKind: ClientKind
  readonly #kept: readonly Set<string>[]
  readonly #random: () => number
  readonly #curve: number[] = [0]
  #requests = 0
  #blobs = 0
  #narBytes = 0

  constructor(planner: string, clientKind: ClientKind, clients: number) {
    this.#planner = planner
    this.#clientKind = clientKind
    this.#kept = Array.from({ length: clients }, () => new Set<string>())
    this.#random = createRandom(clients)
  }

  pull(image: readonly Layer[]): void {
    const kept = this.#kept[Math.floor(this.#random() * this.#kept.length)]!
    for (const layer of image) {
      const name = layer[this.#clientKind]
      if (kept.has(name)) continue
      kept.add(name)
      this.#blobs += 1
      this.#narBytes += layer.narBytes
    }
    this.#requests += 1
    if (this.#requests % requestsPerPoint === 0) this.#curve.push(this.#costBytes())
  }

  pulled(): Pulled {
    return {
      planner: this.#planner,
      clientKind: this.#clientKind,
      clients: this.#kept.length,
      blobs: this.#blobs,
      narBytes: this.#narBytes,
      costBytes: this.#costBytes(),
      curve: this.#curve,
    }
  }

  #costBytes(): number {
    return Math.round(this.#narBytes * compressedPart + this.#blobs * costPerBlobBytes)
  }
}
