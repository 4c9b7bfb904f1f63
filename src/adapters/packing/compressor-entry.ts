import { flushCompileCache } from 'node:module'
import { workerData } from 'node:worker_threads'
import { compressBlock } from './compress-block.ts'
import { RingMemory, type SharedMemory } from './ring-memory.ts'

// Runs on a worker thread, one per core. Imports stay few: each one costs start time and memory per
// thread. With NODE_COMPILE_CACHE set, Node keeps the code without types, and loads the stripper only
// where the cache lacks a file; it would write the cache when the process ends, too late for the next
// thread and never after a kill.
flushCompileCache()

const memory = new RingMemory(workerData as SharedMemory)
for (;;) {
  const slot = memory.take()
  const { sizeBytes, windowBytes, ...compression } = memory.block(slot)
  const window = memory.window(slot)
  const contents = memory.contents(slot)
  const compressed = compressBlock(
    window.subarray(window.length - windowBytes),
    contents.subarray(0, sizeBytes),
    compression,
  )
  contents.set(compressed)
  memory.finish(slot, compressed.length)
}
