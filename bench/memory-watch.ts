import { setTimeout as delay } from 'node:timers/promises'
import { readTreeMemory } from './process-usage.ts'

// Short enough to see what lasts longer than a block under way.
const pauseMs = 100

/** The most memory that a process and its descendants have had together, in MB, until it is asked for. */
export function watchMemory(pid: number): { peak(): Promise<number> } {
  const over = new AbortController()
  let mostMegabytes = 0
  const watching = watch()
  async function watch(): Promise<void> {
    do {
      mostMegabytes = Math.max(mostMegabytes, await readTreeMemory(pid))
      await delay(pauseMs)
    } while (!over.signal.aborted)
  }
  return {
    async peak() {
      over.abort()
      await watching
      return mostMegabytes
    },
  }
}
