import { Worker } from 'node:worker_threads'
import { OperatingError } from '#engine/operating-error.ts'
import type { PackedLayer } from '#engine/ports/packer.ts'
import { cancelCell, creditCell, type PackJob, type WorkerMessage } from './worker-messages.ts'

/** Chunks under way to `write`; with the one that fills, 5 MiB per thread. */
const chunksInFlight = 4

/**
 * Enough to list a directory of 300,000 names. It matters for what is outside the heap, too: with
 * Node's own limit, garbage buffers of 130 MB gather per thread before they are freed, with this
 * one 65 MB.
 */
const heapMb = 64

type Write = (chunk: Uint8Array) => Promise<void>

interface RunningJob {
  readonly control: Int32Array
  readonly write: Write
  readonly result: PromiseWithResolvers<PackedLayer>
  /** Resolves when the thread no longer works on the job, which may be later than the result. */
  readonly idle: PromiseWithResolvers<void>
  /** Resolves after the last `write` of the job. */
  written: Promise<void>
}

/** One worker thread, which packs one layer at a time. */
export class PackThread {
  readonly #worker: Worker
  #job: RunningJob | undefined
  #failure: OperatingError | undefined

  constructor(program: URL) {
    this.#worker = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: heapMb } })
    this.#worker.on('message', (message: WorkerMessage) => this.#receive(message))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(new Error('the worker thread has exited')))
    this.#worker.unref()
  }

  /** False once the thread has ended; it takes no more jobs then. */
  get alive(): boolean {
    return this.#failure === undefined
  }

  run(
    job: Omit<PackJob, 'control'>,
    write: Write,
    signal: AbortSignal,
  ): { result: Promise<PackedLayer>; idle: Promise<void> } {
    const control = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
    control[creditCell] = chunksInFlight
    const running: RunningJob = {
      control,
      write,
      result: Promise.withResolvers(),
      idle: Promise.withResolvers(),
      written: Promise.resolve(),
    }
    this.#job = running
    // It may have ended between being chosen and being given the job.
    if (this.#failure !== undefined) this.#end(this.#failure)
    const abort = () => cancel(running, signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    // While idle, a thread does not keep the process alive.
    this.#worker.ref()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window, a worker
    this.#worker.postMessage({ ...job, control } satisfies PackJob)
    return {
      result: running.result.promise.finally(() => signal.removeEventListener('abort', abort)),
      idle: running.idle.promise.finally(() => this.#worker.unref()),
    }
  }

  async terminate(reason: unknown): Promise<void> {
    this.#end(reason)
    await this.#worker.terminate()
  }

  #receive(message: WorkerMessage): void {
    const job = this.#job
    if (job === undefined) return
    if (message.kind === 'chunk') {
      job.written = job.written.then(() => writeChunk(job, message.bytes))
      return
    }
    this.#job = undefined
    if (message.kind === 'packed') {
      void job.written.then(() => job.result.resolve(message.layer))
    }
    if (message.kind === 'failed') {
      job.result.reject(new OperatingError(message.code, message.message, { cause: message.cause }))
    }
    job.idle.resolve()
  }

  #end(reason: unknown): void {
    this.#failure ??=
      reason instanceof OperatingError
        ? reason
        : new OperatingError('PACK_FAILED', 'a packing thread crashed', { cause: reason })
    const job = this.#job
    this.#job = undefined
    job?.result.reject(this.#failure)
    job?.idle.resolve()
  }
}

/** Nothing more is written once a job has failed; the thread learns it from its control cells. */
async function writeChunk(job: RunningJob, bytes: Uint8Array): Promise<void> {
  if (Atomics.load(job.control, cancelCell) !== 0) return
  try {
    await job.write(bytes)
    giveCredit(job.control)
  } catch (error) {
    cancel(job, error)
  }
}

function cancel(job: RunningJob, reason: unknown): void {
  job.result.reject(reason)
  Atomics.store(job.control, cancelCell, 1)
  giveCredit(job.control)
}

function giveCredit(control: Int32Array): void {
  Atomics.add(control, creditCell, 1)
  Atomics.notify(control, creditCell)
}
