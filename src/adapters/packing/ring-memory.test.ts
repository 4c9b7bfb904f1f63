import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { allocateMemories, RingMemory, type SharedMemory } from './ring-memory.ts'

test('take() gives every published slot to one thread, even while another is slow to wake', async (t) => {
  const [shared] = allocateMemories(1, 1) as [SharedMemory]
  const memory = new RingMemory(shared)
  assert.equal(memory.slotCount, 4)
  // Two cells: 1 once the thread waits, 1 once it may go on.
  const gate = new Int32Array(new SharedArrayBuffer(8))
  const thread = startSleepyThread({ shared, gate })
  t.after(() => thread.terminate())
  const slotOfThread = once(thread, 'message')
  Atomics.wait(gate, 0, 0)

  const published = [3, 0, 1, 2, 0]
  const taken: number[] = []
  for (const [index, slot] of published.entries()) {
    memory.publish(slot, { kind: 'crc', level: 0, sizeBytes: 1, windowBytes: 0 })
    // Slots are used again as soon as they are done, as those are that only have their CRC computed.
    if (index === 0) continue
    const next = memory.take()!
    memory.finish(next, 0)
    taken.push(next)
  }
  Atomics.store(gate, 1, 1)
  Atomics.notify(gate, 1)
  const [last] = (await slotOfThread) as [number]
  const ascending = (one: number, other: number) => one - other
  assert.deepEqual([...taken, last].toSorted(ascending), published.toSorted(ascending))
})

/** Takes one slot and tells it; once it is woken, it sleeps on until its gate is open. */
function startSleepyThread(workerData: unknown): Worker {
  const program = `
    import { parentPort, workerData } from 'node:worker_threads'
    import { WorkQueue } from ${JSON.stringify(new URL('ring-memory.ts', import.meta.url))}
    const { shared, gate } = workerData
    const { wait } = Atomics
    Atomics.wait = (...cell) => {
      Atomics.store(gate, 0, 1)
      Atomics.notify(gate, 0)
      wait(...cell)
      wait(gate, 1, 0)
    }
    parentPort.postMessage(new WorkQueue([shared]).take().slot)`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData })
}
