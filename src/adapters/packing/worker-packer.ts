import { storeDirectory as imageStoreDirectory } from '#core/nix/store-path.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type {
  Compression,
  LayerContent,
  MeasuredPath,
  PackedLayer,
  Packer,
  WriteChunk,
} from '#engine/ports/packer.ts'
import { PackRing, type PackRingOptions, type RingPrograms } from './pack-ring.ts'
import type { SegmentDirectory } from './segment-directory.ts'

export interface WorkerPackerOptions {
  /** How many threads compress; others, fewer, read and hash. */
  readonly threads: number
  /** Where store paths lie on this machine, when it is not where images have them (a chroot store). */
  readonly storeDirectory?: string
  /** Where compressed store paths are kept for other layers; nowhere unless given. */
  readonly segments?: SegmentDirectory | undefined
  /** What the threads run. */
  readonly programs?: Partial<RingPrograms>
}

export interface WorkerPacker extends Packer {
  /** Ends the threads; what is being packed rejects. */
  close(): Promise<void>
}

/**
 * Packs layers on worker threads. They start when a layer is first expected and stay; when one crashes,
 * all layers under way reject, and the next one gets new threads.
 */
export function createWorkerPacker(options: WorkerPackerOptions): WorkerPacker {
  return new RingPacker(options)
}

class RingPacker implements WorkerPacker {
  readonly #options: PackRingOptions
  #ring: PackRing | undefined
  #isClosed = false

  constructor({ threads, storeDirectory, segments, programs }: WorkerPackerOptions) {
    this.#options = {
      threads,
      storeDirectory: storeDirectory ?? imageStoreDirectory,
      segments,
      programs: {
        coordinator: new URL('coordinator-entry.ts', import.meta.url),
        compressor: new URL('compressor-entry.ts', import.meta.url),
        ...programs,
      },
    }
  }

  async pack(
    content: LayerContent,
    compression: Compression,
    write: WriteChunk,
    signal: AbortSignal,
  ): Promise<PackedLayer> {
    signal.throwIfAborted()
    const layer = await this.#takeRing().run({ kind: 'layer', content }, compression, write, signal)
    return layer!
  }

  async prepare(
    measured: MeasuredPath,
    compression: Compression,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted()
    if (this.#options.segments === undefined) return
    const work = { kind: 'segment', measured } as const
    await this.#takeRing().run(work, compression, async () => {}, signal)
  }

  warmUp(): void {
    if (!this.#isClosed) this.#takeRing()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#ring?.terminate(shuttingDown())
  }

  #takeRing(): PackRing {
    if (this.#isClosed) throw shuttingDown()
    if (this.#ring?.alive !== true) this.#ring = new PackRing(this.#options)
    return this.#ring
  }
}

function shuttingDown(): OperatingError {
  return new OperatingError('SHUTTING_DOWN', 'the service stops; nothing more is packed')
}
