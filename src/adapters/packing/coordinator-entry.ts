import { flushCompileCache } from 'node:module'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { BlockRing } from './block-ring.ts'
import { Coordinator } from './coordinator.ts'
import { RingMemory } from './ring-memory.ts'
import { SegmentCache } from './segment-cache.ts'
import type { CoordinatorData, PackAnswer, PackJob, SegmentKept } from './worker-messages.ts'

// Runs on a worker thread, once per ring. What holds for compressor-entry.ts holds here.
flushCompileCache()

const port = parentPort
if (port === null) throw new Error('coordinator-entry.ts is started as a worker thread')
const { memory, storeDirectory, segments: share } = workerData as CoordinatorData
const ring = new BlockRing(new RingMemory(memory))
const segments =
  share && new SegmentCache(share, (sizeBytes) => post({ kind: 'segment-kept', sizeBytes }))
const coordinator = new Coordinator({ ring, storeDirectory, segments, post })

// As many as callers have sent; the engine limits the builds that run at once. Layers go first: what
// is prepared is for later.
const waiting = { layer: [] as PackJob[], segment: [] as PackJob[] }

port.on('message', (job: PackJob) => {
  waiting[job.work.kind].push(job)
  runAll()
})

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
    const received: { message: PackJob } | undefined = receiveMessageOnPort(port!)
    if (received === undefined) return
    waiting[received.message.work.kind].push(received.message)
  }
}

function post(answer: PackAnswer | SegmentKept): void {
  port!.postMessage(answer, answer.kind === 'chunk' ? [answer.bytes.buffer] : [])
}
