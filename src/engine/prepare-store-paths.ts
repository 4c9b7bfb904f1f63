import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import type { PackagePolicy } from '#core/request/package-policy.ts'
import type { PackageBuilder, RealiseProgress } from './ports/package-builder.ts'
import type { Compression, MeasuredPath, Packer } from './ports/packer.ts'
import { runInLanes } from './run-in-lanes.ts'

export interface PreparationTools {
  readonly nix: Pick<PackageBuilder, 'closure'>
  readonly packer: Pick<Packer, 'prepare' | 'warmUp'>
  readonly compression: Compression
  readonly policy: Pick<PackagePolicy, 'maxClosureBytes'>
}

/** Disposing it stops what is being prepared; nothing runs afterwards. */
export interface Preparation extends AsyncDisposable {
  /** What is to hear the progress of a realisation of these packages. */
  watch(packages: readonly FoundPackage[]): (progress: RealiseProgress) => void
  /** Begins nothing more: everything is there, and layers are packed now. */
  finish(): void
}

/** Small ones take one compressor each, and others follow without a pause; layers go before them all. */
const mostAtOnce = 8

/**
 * Compresses store paths ahead of their layers, while others are still being downloaded or built. It
 * never fails: a path that a collector removes before it is read, for no lease holds it yet, costs
 * the time of its preparation, and whatever else is wrong is reported when its layer is packed.
 */
export function startPreparation(tools: PreparationTools, signal: AbortSignal): Preparation {
  tools.packer.warmUp()
  const ending = new AbortController()
  const queue = new PreparationQueue(tools, AbortSignal.any([signal, ending.signal]))
  return {
    watch: (packages) => watchRealised(packages, (paths) => queue.add(paths)),
    finish: () => queue.finish(),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await queue.idle
    },
  }
}

/**
 * Tells which paths of the image a realisation has made. A download may be something that only a
 * builder needs, a compiler for instance, and must not take the builder's processor time. Nix expects
 * one build for each derivation that it was asked for until it has downloaded the outputs, and more
 * than these as soon as something must be built, before it downloads anything for it. From then on
 * only what the image is asked for counts, with its closure.
 */
function watchRealised(
  packages: readonly FoundPackage[],
  onRealised: (paths: readonly StorePath[]) => void,
): (progress: RealiseProgress) => void {
  const outputs = new Map<string, readonly StorePath[]>()
  for (const found of packages) {
    const others = outputs.get(found.derivation) ?? []
    outputs.set(found.derivation, [...others, ...found.outputs.map(({ path }) => path)])
  }
  const wanted = new Set([...outputs.values()].flat())
  let askedFor = 0
  let onlyDownloads = true
  const downloaded = (path: StorePath | undefined) => {
    if (path !== undefined && (onlyDownloads || wanted.has(path))) onRealised([path])
  }
  return (progress) => {
    switch (progress.kind) {
      case 'begun':
        askedFor = progress.derivations
        break
      case 'totals':
        if (progress.buildsExpected > askedFor) onlyDownloads = false
        break
      case 'substitute-finished':
        downloaded(parseStorePath(progress.path))
        break
      case 'build-finished':
        onRealised(outputs.get(progress.derivation) ?? [])
        break
      default:
    }
  }
}

/** Prepares closures: each path once, the largest first. */
class PreparationQueue {
  readonly #tools: PreparationTools
  readonly #signal: AbortSignal
  // Both hold paths of one image, whose closure is in memory anyhow.
  #realised: StorePath[] = []
  readonly #known = new Set<StorePath>()
  #knownBytes = 0
  #finished = false
  #running: Promise<void> | undefined

  constructor(tools: PreparationTools, signal: AbortSignal) {
    this.#tools = tools
    this.#signal = signal
  }

  /** Resolves when nothing is being prepared. */
  get idle(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  add(paths: readonly StorePath[]): void {
    const added = paths.filter((path) => !this.#known.has(path))
    if (this.#finished || added.length === 0) return
    this.#realised.push(...added)
    this.#running ??= this.#run()
  }

  finish(): void {
    this.#finished = true
  }

  async #run(): Promise<void> {
    while (!this.#finished && this.#realised.length > 0) {
      // Everything that was realised meanwhile takes one look into Nix's database.
      const realised = this.#realised.splice(0)
      try {
        await this.#prepareAll(await this.#findUnknown(realised))
      } catch {
        // Whoever packs the layers meets the same failure, if it is still there.
      }
    }
    this.#running = undefined
  }

  async #findUnknown(paths: readonly StorePath[]): Promise<readonly MeasuredPath[]> {
    const { nodes } = await this.#tools.nix.closure(paths, this.#signal)
    const unknown = nodes.filter(({ path }) => !this.#known.has(path))
    for (const { path, narSizeBytes } of unknown) {
      this.#known.add(path)
      this.#knownBytes += narSizeBytes
    }
    // The build is going to be refused for its size.
    if (this.#knownBytes > (this.#tools.policy.maxClosureBytes ?? Infinity)) this.finish()
    return unknown.sort((one, other) => other.narSizeBytes - one.narSizeBytes)
  }

  #prepareAll(paths: readonly MeasuredPath[]): Promise<void> {
    const { packer, compression } = this.#tools
    const prepare = async ({ path, narSizeBytes }: MeasuredPath, signal: AbortSignal) => {
      if (this.#finished) return
      await packer.prepare({ path, narSizeBytes }, compression, signal).catch(() => {})
    }
    return runInLanes(paths, mostAtOnce, prepare, this.#signal)
  }
}
