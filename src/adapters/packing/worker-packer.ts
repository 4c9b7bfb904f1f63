import { storeDirectory as imageStoreDirectory } from '#core/nix/store-path.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Compression, LayerContent, PackedLayer, Packer } from '#engine/ports/packer.ts'
import { PackThread } from './pack-thread.ts'

export interface WorkerPackerOptions {
  /** How many layers are packed at once, each on its own thread. */
  readonly threads: number
  /** Where store paths lie on this machine, when it is not where images have them (a chroot store). */
  readonly storeDirectory?: string
  /** What the threads run. */
  readonly program?: URL
}

export interface WorkerPacker extends Packer {
  /** Ends the threads; what is being packed rejects. */
  close(): Promise<void>
}

/**
 * Packs layers on worker threads. Threads start when they are first needed and stay; one that
 * crashes rejects its own layer only, and the next layer gets a new one.
 */
export function createWorkerPacker(options: WorkerPackerOptions): WorkerPacker {
  return new ThreadPool(options)
}

class ThreadPool implements WorkerPacker {
  readonly #threads: number
  readonly #storeDirectory: string
  readonly #program: URL
  readonly #all = new Set<PackThread>()
  readonly #idle: PackThread[] = []
  // As long as the layers of the builds that run at once; their number is limited by the engine.
  readonly #waiting: PromiseWithResolvers<void>[] = []
  #closed = false

  constructor(options: WorkerPackerOptions) {
    this.#threads = options.threads
    this.#storeDirectory = options.storeDirectory ?? imageStoreDirectory
    this.#program = options.program ?? new URL('worker-entry.ts', import.meta.url)
  }

  async pack(
    content: LayerContent,
    compression: Compression,
    write: (chunk: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<PackedLayer> {
    const thread = await this.#takeThread(signal)
    const job = { content, level: compression.level, storeDirectory: this.#storeDirectory }
    const { result, idle } = thread.run(job, write, signal)
    void idle.then(() => this.#giveBack(thread))
    return await result
  }

  /** Nothing of a store path is kept between layers. */
  async prepare(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true
    for (const waiter of this.#waiting.splice(0)) waiter.resolve()
    const reason = shuttingDown()
    await Promise.all([...this.#all].map((thread) => thread.terminate(reason)))
  }

  async #takeThread(signal: AbortSignal): Promise<PackThread> {
    for (;;) {
      if (signal.aborted) this.#wakeNext()
      signal.throwIfAborted()
      if (this.#closed) throw shuttingDown()
      const thread = this.#idle.pop() ?? this.#startThread()
      if (thread?.alive === true) return thread
      if (thread !== undefined) this.#all.delete(thread)
      else await this.#waitForThread(signal)
    }
  }

  #startThread(): PackThread | undefined {
    if (this.#all.size >= this.#threads) return undefined
    const thread = new PackThread(this.#program)
    this.#all.add(thread)
    return thread
  }

  #giveBack(thread: PackThread): void {
    if (thread.alive) this.#idle.push(thread)
    else this.#all.delete(thread)
    this.#wakeNext()
  }

  #wakeNext(): void {
    this.#waiting.shift()?.resolve()
  }

  async #waitForThread(signal: AbortSignal): Promise<void> {
    const turn = Promise.withResolvers<void>()
    const leave = () => {
      const position = this.#waiting.indexOf(turn)
      if (position >= 0) this.#waiting.splice(position, 1)
      turn.resolve()
    }
    this.#waiting.push(turn)
    signal.addEventListener('abort', leave, { once: true })
    await turn.promise
    signal.removeEventListener('abort', leave)
  }
}

function shuttingDown(): OperatingError {
  return new OperatingError('SHUTTING_DOWN', 'the service stops; nothing more is packed')
}
