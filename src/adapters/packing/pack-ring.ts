import { randomUUID } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { OperatingError } from '#engine/operating-error.ts'
import type { Compression, MeasuredPath, PackedLayer, WriteChunk } from '#engine/ports/packer.ts'
import { allocateMemories } from './ring-memory.ts'
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

/** A thread that reads, and what it has to do. */
interface Coordinator {
  readonly thread: Worker
  readonly jobs: Map<number, RunningJob>
}

interface RunningJob {
  readonly work: PackWork
  /** Of its store paths, as Nix counts them. */
  readonly narSizeBytes: number
  readonly control: Int32Array
  readonly write: WriteChunk
  readonly result: PromiseWithResolvers<PackedLayer | undefined>
  /** Resolves after the last `write` of the job. */
  written: Promise<void>
}

/**
 * The threads that make layers, as the main thread sees them: coordinators, which take the jobs and
 * give the bytes, and the compressors, which only they talk to.
 *
 *     store paths ─► coordinator ─► slots ─► compressors ─► slots ─► coordinator ─► write
 *
 * The threads rely on each other, so one that ends takes the ring and its jobs along.
 */
export class PackRing {
  readonly #id = randomUUID()
  readonly #segments: SegmentDirectory | undefined
  readonly #coordinators: readonly Coordinator[]
  readonly #threads: readonly Worker[]
  #jobCount = 0
  #failure: OperatingError | undefined

  constructor({ threads, programs, storeDirectory, segments }: PackRingOptions) {
    this.#segments = segments
    const memories = allocateMemories(coordinatorCount(threads), threads)
    this.#coordinators = memories.map((memory, index) => {
      const share = segments?.share(`${this.#id}-${index}`)
      const data: CoordinatorData = { memory, storeDirectory, segments: share }
      return this.#startCoordinator(programs.coordinator, data)
    })
    const compressors = Array.from({ length: threads }, () =>
      this.#start(programs.compressor, memories, heapMb.compressor),
    )
    this.#threads = [...this.#coordinators.map(({ thread }) => thread), ...compressors]
  }

  /** False once a thread has ended; the ring takes no more jobs then. */
  get alive(): boolean {
    return this.#failure === undefined
  }

  /** The layer; `undefined` for the work that gives none. */
  run(
    work: PackWork,
    compression: Compression,
    write: WriteChunk,
    signal: AbortSignal,
  ): Promise<PackedLayer | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#jobCount += 1
    const id = this.#jobCount
    const control = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT))
    control[creditCell] = chunksInFlight
    const job: RunningJob = {
      work,
      narSizeBytes: pathsOf(work).reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0),
      control,
      write,
      result: Promise.withResolvers(),
      written: Promise.resolve(),
    }
    const abort = () => cancel(job, signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    const { thread, jobs } = chooseCoordinator(this.#coordinators, work)
    // While idle, the threads do not keep the process alive.
    if (jobs.size === 0) thread.ref()
    jobs.set(id, job)
    send(thread, { kind: 'job', id, work, compression, control })
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

  #startCoordinator(program: URL, data: CoordinatorData): Coordinator {
    const thread = this.#start(program, data, heapMb.coordinator)
    const coordinator: Coordinator = { thread, jobs: new Map() }
    thread.on('message', (answer: PackAnswer | SegmentKept) => {
      if (answer.kind === 'segment-kept') this.#segments?.added(answer.sizeBytes)
      else receive(coordinator, answer)
    })
    // Node keeps the process alive for who listens.
    thread.unref()
    return coordinator
  }

  #end(reason: unknown): void {
    this.#failure ??=
      reason instanceof OperatingError
        ? reason
        : new OperatingError('PACK_FAILED', 'a packing thread crashed', { cause: reason })
    for (const { thread, jobs } of this.#coordinators) {
      for (const job of jobs.values()) cancel(job, this.#failure)
      jobs.clear()
      thread.unref()
    }
  }
}

/**
 * One reads as fast as a few compress with zstd; two, because layers that are joined from what is kept
 * are not compressed at all.
 */
function coordinatorCount(threads: number): number {
  return Math.min(threads, Math.max(2, Math.ceil(threads / 4)))
}

/**
 * The one that is just preparing a part of the layer, since the part would be compressed twice elsewhere,
 * or else the one with the least to do.
 */
function chooseCoordinator(coordinators: readonly Coordinator[], work: PackWork): Coordinator {
  const paths = new Set(pathsOf(work).map(({ path }) => path))
  const isPreparing = ({ jobs }: Coordinator) =>
    jobs.values().some((job) => job.work.kind === 'segment' && paths.has(job.work.measured.path))
  return (
    coordinators.find(isPreparing) ??
    coordinators.reduce((one, other) => (pendingBytes(other) < pendingBytes(one) ? other : one))
  )
}

function pathsOf(work: PackWork): readonly MeasuredPath[] {
  if (work.kind === 'segment') return [work.measured]
  return work.content.kind === 'store-paths' ? work.content.paths : []
}

function pendingBytes({ jobs }: Coordinator): number {
  let bytes = 0
  for (const { narSizeBytes } of jobs.values()) bytes += narSizeBytes
  return bytes
}

function receive({ thread, jobs }: Coordinator, answer: PackAnswer): void {
  const job = jobs.get(answer.id)
  if (job === undefined) return
  if (answer.kind === 'chunk') {
    job.written = job.written.then(() => write(job, thread, answer))
    return
  }
  jobs.delete(answer.id)
  if (jobs.size === 0) thread.unref()
  settle(job, answer)
}

/** Nothing more is written once a job has failed; its coordinator learns it from the control cells. */
async function write(
  job: RunningJob,
  thread: Worker,
  { bytes, archivedBytes }: Extract<PackAnswer, { kind: 'chunk' }>,
): Promise<void> {
  if (Atomics.load(job.control, cancelCell) !== 0) return
  try {
    await job.write(bytes, archivedBytes)
    // First, so that whoever waits for the credit finds it.
    send(thread, { kind: 'written', memory: bytes.buffer })
    giveCredit(job.control)
  } catch (error) {
    // The memory may still be read.
    cancel(job, error)
  }
}

function send(thread: Worker, request: PackRequest): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window, a worker
  thread.postMessage(request, request.kind === 'written' ? [request.memory] : [])
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
      cancel(job, new OperatingError(answer.code, answer.message, { cause: answer.cause }))
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
