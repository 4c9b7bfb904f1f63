import type { BuildTarget, ImageBuilder } from './image-builder.ts'
import { OperatingError } from './operating-error.ts'

export interface BuildLimits {
  readonly maxRunning: number
  readonly maxQueued: number
}

/**
 * Runs at most `maxRunning` builds and lets at most `maxQueued` wait, in order of arrival. When the
 * queue is full it calls `makeRoom`, which may cancel a build that nobody waits for; when there is
 * none it refuses with `OVERLOADED`. A cancelled build that runs needs a while to end, so the queue
 * is longer by the builds that end, at most `maxRunning`.
 */
export function limitBuilds<Target extends BuildTarget>(
  inner: ImageBuilder<Target>,
  limits: BuildLimits,
  makeRoom: () => boolean,
): ImageBuilder<Target> {
  let running = 0
  const queue: Array<() => void> = []

  function release(): void {
    const next = queue.shift()
    if (next === undefined) running -= 1
    else next()
  }

  /** Waits for a place; a place that is handed over keeps `running` as it is. */
  async function acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (running < limits.maxRunning) {
      running += 1
      return
    }
    if (queue.length >= limits.maxQueued && !makeRoom()) {
      throw new OperatingError(
        'OVERLOADED',
        `${running} builds run and ${queue.length} wait: no room for another one now`,
      )
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        queue.splice(queue.indexOf(enter), 1)
        reject(signal.reason as Error)
      }
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      queue.push(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  return {
    async build(target, signal, onBuild) {
      await acquire(signal)
      try {
        return await inner.build(target, signal, onBuild)
      } finally {
        release()
      }
    },
  }
}
