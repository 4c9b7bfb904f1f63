import { flushCompileCache } from 'node:module'
import { workerData } from 'node:worker_threads'
import { crc32 } from 'node:zlib'
import { compressBlock } from './compress-block.ts'
import { loadPieces } from './load-pieces.ts'
import { WorkQueue, type SharedMemory } from './ring-memory.ts'

// Runs on a worker thread, one per core. Imports stay few: each one costs start time and memory per
// thread. With NODE_COMPILE_CACHE set, Node keeps the code without types, and loads the stripper only
// where the cache lacks a file; it would write the cache when the process ends, too late for the next
// thread and never after a kill.
flushCompileCache()

const queue = new WorkQueue(workerData as readonly SharedMemory[])
for (;;) {
  const { memory, slot } = queue.take()
  const work = memory.published(slot)
  if (work.kind === 'load') {
    memory.finish(slot, loadPieces(work, memory.contents(slot)))
  } else if (work.kind === 'crc') {
    memory.finish(slot, crc32(work.windowAndBlock))
  } else {
    const { kind, level, windowAndBlock, windowBytes } = work
    const pieces = compressBlock(windowAndBlock, windowBytes, { codec: kind, level })
    memory.finish(slot, memory.replace(slot, pieces))
  }
}
