import type { ImageBuilder, NumberedTarget } from './image-builder.ts'
import { OperatingError } from './operating-error.ts'

export interface BuildLimits {
  readonly maxRunning: number
  readonly maxQueued: number
}

/**
 * Runs at most `maxRunning` builds and lets at most `maxQueued` wait, in order of arrival. When the
 * queue is full it calls `makeRoom`, which may cancel a build that nobody waits for; when there is
 * none it refuses with `OVERLOADED`. A cancelled build that runs needs a while to end, so the queue
 * is longer by the builds that end, at most `maxRunning`. `onBuild` learns of builds that are not refused.
 */
export function limitBuilds(
  inner: ImageBuilder<NumberedTarget>,
  limits: BuildLimits,
  makeRoom: () => boolean,
): ImageBuilder<NumberedTarget> {
  let running = 0
  const queue: Array<() => void> = []

  function release(): void {
    const next = queue.shift()
    if (next === undefined) running -= 1
    else next()
  }

  /** Waits for a place; a place that is handed over keeps `running` as it is. */
  async function acquire(signal: AbortSignal, onRoom: () => void): Promise<void> {
    signal.throwIfAborted()
    if (running < limits.maxRunning) {
      running += 1
      return onRoom()
    }
    if (queue.length >= limits.maxQueued && !makeRoom()) {
      throw new OperatingError(
        'OVERLOADED',
        `${running} builds run and ${queue.length} wait: no room for another one now`,
      )
    }
    onRoom()
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
      await acquire(signal, () => onBuild?.(target.buildId))
      try {
        return await inner.build(target, signal)
      } finally {
        release()
      }
    },
  }
}
