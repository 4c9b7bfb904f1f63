import { flushCompileCache } from 'node:module'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { BlockRing } from './block-ring.ts'
import { Coordinator } from './coordinator.ts'
import { RingMemory } from './ring-memory.ts'
import { SegmentCache } from './segment-cache.ts'
import { chunkBytes } from './chunk-sender.ts'
import type {
  CoordinatorData,
  PackAnswer,
  PackJob,
  PackRequest,
  SegmentKept,
} from './worker-messages.ts'

// Runs on a worker thread, once per ring. What holds for compressor-entry.ts holds here.
flushCompileCache()

const port = parentPort
if (port === null) throw new Error('coordinator-entry.ts is started as a worker thread')
const { memory, storeDirectory, segments: share } = workerData as CoordinatorData
const ring = new BlockRing(new RingMemory(memory))
const segments =
  share && new SegmentCache(share, (sizeBytes) => post({ kind: 'segment-kept', sizeBytes }))
const coordinator = new Coordinator({ ring, storeDirectory, segments, takeChunk, post })

// As many as callers have sent; the engine limits the builds that run at once. Layers go first: what
// is prepared is for later.
const waiting = { layer: [] as PackJob[], segment: [] as PackJob[] }

// What one layer has under way at most comes back and is used again: new memory costs page faults, and
// makes the main thread look for garbage in all of its own every few dozen chunks.
const written: ArrayBuffer[] = []
const mostWritten = 8

port.on('message', (request: PackRequest) => {
  receive(request)
  runAll()
})

function receive(request: PackRequest): void {
  if (request.kind === 'job') waiting[request.work.kind].push(request)
  else if (written.length < mostWritten) written.push(request.memory)
}

function takeChunk(): Uint8Array<ArrayBuffer> {
  if (written.length === 0) receiveAll()
  return new Uint8Array(written.pop() ?? new ArrayBuffer(chunkBytes))
}

/** Jobs follow one another while blocks of the one before are still under way. */
function runAll(): void {
  for (;;) {
    receiveAll()
    const job = waiting.layer.shift() ?? waiting.segment.shift()
    if (job !== undefined) coordinator.run(job)
    else if (!ring.isEmpty) ring.deliverOne()
    else return
  }
}

function receiveAll(): void {
  for (;;) {
    const received: { message: PackRequest } | undefined = receiveMessageOnPort(port!)
    if (received === undefined) return
    receive(received.message)
  }
}

function post(answer: PackAnswer | SegmentKept): void {
  port!.postMessage(answer, answer.kind === 'chunk' ? [answer.bytes.buffer] : [])
}
