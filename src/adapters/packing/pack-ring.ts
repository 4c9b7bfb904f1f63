import { randomUUID } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { OperatingError } from '#engine/operating-error.ts'
import type { Compression, PackedLayer } from '#engine/ports/packer.ts'
import { allocateMemory } from './ring-memory.ts'
import type { SegmentDirectory } from './segment-directory.ts'
import {
  cancelCell,
  creditCell,
  type CoordinatorData,
  type PackAnswer,
  type PackRequest,
  type PackWork,
  type SegmentKept,
} from './worker-messages.ts'

/** Chunks under way to `write`; with the one that fills, 5 MiB per layer. */
const chunksInFlight = 4

/**
 * The coordinator can list a directory of 300,000 names; a compressor holds one block. It matters for
 * what is outside the heap, too: with Node's own limit, garbage buffers of 130 MB gather per thread
 * before they are freed, with 64 MB half as much, with 24 MB a fifth.
 */
const heapMb = { coordinator: 64, compressor: 24 }

/** What the threads run. */
export interface RingPrograms {
  readonly coordinator: URL
  readonly compressor: URL
}

export interface PackRingOptions {
  readonly storeDirectory: string
  readonly segments?: SegmentDirectory | undefined
  /** How many threads compress. */
  readonly threads: number
  readonly programs: RingPrograms
}

type Write = (chunk: Uint8Array) => Promise<void>

interface RunningJob {
  readonly control: Int32Array
  readonly write: Write
  readonly result: PromiseWithResolvers<PackedLayer | undefined>
  /** Resolves after the last `write` of the job. */
  written: Promise<void>
}

/**
 * The threads that make layers, as the main thread sees them: one coordinator, which takes the jobs
 * and gives the bytes, and the compressors, which only it talks to.
 *
 *     store paths ─► coordinator ─► slots ─► compressors ─► slots ─► coordinator ─► write
 *
 * The threads rely on each other, so one that ends takes the ring and its jobs along.
 */
export class PackRing {
  readonly #id = randomUUID()
  readonly #segments: SegmentDirectory | undefined
  readonly #coordinator: Worker
  readonly #threads: readonly Worker[]
  readonly #jobs = new Map<number, RunningJob>()
  #jobCount = 0
  #failure: OperatingError | undefined

  constructor({ threads, programs, storeDirectory, segments }: PackRingOptions) {
    this.#segments = segments
    const memory = allocateMemory(threads)
    const data: CoordinatorData = { memory, storeDirectory, segments: segments?.share(this.#id) }
    this.#coordinator = this.#start(programs.coordinator, data, heapMb.coordinator)
    const compressors = Array.from({ length: threads }, () =>
      this.#start(programs.compressor, memory, heapMb.compressor),
    )
    this.#threads = [this.#coordinator, ...compressors]
    this.#coordinator.on('message', (answer: PackAnswer | SegmentKept) => {
      if (answer.kind === 'segment-kept') segments?.added(answer.sizeBytes)
      else this.#receive(answer)
    })
  }

  /** False once a thread has ended; the ring takes no more jobs then. */
  get alive(): boolean {
    return this.#failure === undefined
  }

  /** The layer; `undefined` for the work that gives none. */
  run(
    work: PackWork,
    compression: Compression,
    write: Write,
    signal: AbortSignal,
  ): Promise<PackedLayer | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#jobCount += 1
    const id = this.#jobCount
    const control = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
    control[creditCell] = chunksInFlight
    const job: RunningJob = {
      control,
      write,
      result: Promise.withResolvers(),
      written: Promise.resolve(),
    }
    const abort = () => cancel(job, signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    // While idle, the threads do not keep the process alive.
    if (this.#jobs.size === 0) this.#coordinator.ref()
    this.#jobs.set(id, job)
    this.#send({ kind: 'job', id, work, compression, control })
    return job.result.promise.finally(() => signal.removeEventListener('abort', abort))
  }

  async terminate(reason: unknown): Promise<void> {
    this.#end(reason)
    await Promise.all(this.#threads.map((thread) => thread.terminate()))
    await this.#segments?.sweep(this.#id)
  }

  #start(program: URL, workerData: unknown, maxOldGenerationSizeMb: number): Worker {
    const thread = new Worker(program, { workerData, resourceLimits: { maxOldGenerationSizeMb } })
    thread.on('error', (error) => void this.terminate(error))
    thread.on('exit', () => void this.terminate(new Error('the worker thread has exited')))
    thread.unref()
    return thread
  }

  #receive(answer: PackAnswer): void {
    const job = this.#jobs.get(answer.id)
    if (job === undefined) return
    if (answer.kind === 'chunk') {
      job.written = job.written.then(() => this.#write(job, answer.bytes))
      return
    }
    this.#jobs.delete(answer.id)
    if (this.#jobs.size === 0) this.#coordinator.unref()
    settle(job, answer)
  }

  /** Nothing more is written once a job has failed; the coordinator learns it from the control cells. */
  async #write(job: RunningJob, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (Atomics.load(job.control, cancelCell) !== 0) return
    try {
      await job.write(bytes)
      // First, so that whoever waits for the credit finds it.
      this.#send({ kind: 'written', memory: bytes.buffer })
      giveCredit(job.control)
    } catch (error) {
      // The memory may still be read.
      cancel(job, error)
    }
  }

  #send(request: PackRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window, a worker
    this.#coordinator.postMessage(request, request.kind === 'written' ? [request.memory] : [])
  }

  #end(reason: unknown): void {
    this.#failure ??=
      reason instanceof OperatingError
        ? reason
        : new OperatingError('PACK_FAILED', 'a packing thread crashed', { cause: reason })
    for (const job of this.#jobs.values()) job.result.reject(this.#failure)
    this.#jobs.clear()
    this.#coordinator.unref()
  }
}

function settle(job: RunningJob, answer: Exclude<PackAnswer, { kind: 'chunk' }>): void {
  switch (answer.kind) {
    case 'packed':
      void job.written.then(() => job.result.resolve(answer.layer))
      return
    case 'prepared':
      job.result.resolve(undefined)
      return
    case 'failed':
      job.result.reject(new OperatingError(answer.code, answer.message, { cause: answer.cause }))
      return
    case 'cancelled':
    // Whoever cancelled it has rejected the result.
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
