import type { CacheKey } from '#core/request/cache-key.ts'
import type { BuildOutcome } from './build-outcome.ts'
import type { BuildTarget, ImageBuilder } from './image-builder.ts'
import { OperatingError } from './operating-error.ts'
import type { Clock } from './ports/clock.ts'

export interface SharedBuilds extends ImageBuilder {
  /** Cancels every build that nobody waits for, without waiting for its grace to end. */
  cancelAbandoned(): void
  /** Cancels every build and waits until all have ended; later ones are refused. */
  close(): Promise<void>
}

interface RunningBuild {
  readonly result: Promise<BuildOutcome>
  readonly controller: AbortController
  waiters: number
  stopGrace: () => void
}

/**
 * One build per key however many callers ask. A build belongs to no caller: it runs under its own
 * signal, and when the last caller has left it goes on for `graceMs`, because container runtimes
 * give up and come back. Outcomes are not kept: the caches answer the next caller.
 */
export function shareBuilds(inner: ImageBuilder, clock: Clock, graceMs: number): SharedBuilds {
  const running = new Map<CacheKey, RunningBuild>()
  const ending = new Set<Promise<unknown>>()
  let closed = false

  function start(target: BuildTarget): RunningBuild {
    const controller = new AbortController()
    const result = inner.build(target, controller.signal)
    const build: RunningBuild = { result, controller, waiters: 0, stopGrace: () => undefined }
    running.set(target.key, build)
    const end = () => {
      build.stopGrace()
      forget(target.key, build)
      ending.delete(ended)
    }
    const ended = result.then(end, end)
    ending.add(ended)
    return build
  }

  function forget(key: CacheKey, build: RunningBuild): void {
    if (running.get(key) === build) running.delete(key)
  }

  /** A cancelled build takes no more callers; the next one starts anew. */
  function cancel(key: CacheKey, build: RunningBuild, reason: Error): void {
    forget(key, build)
    build.controller.abort(reason)
  }

  function leave(key: CacheKey, build: RunningBuild): void {
    build.waiters -= 1
    if (build.waiters > 0 || running.get(key) !== build) return
    build.stopGrace = clock.after(graceMs, () => cancel(key, build, abandoned()))
  }

  return {
    async build(target, signal) {
      signal.throwIfAborted()
      if (closed) throw shuttingDown()
      const build = running.get(target.key) ?? start(target)
      build.waiters += 1
      build.stopGrace()
      try {
        return await abortable(build.result, signal)
      } finally {
        leave(target.key, build)
      }
    },

    cancelAbandoned() {
      for (const [key, build] of running) if (build.waiters === 0) cancel(key, build, abandoned())
    },

    async close() {
      closed = true
      for (const [key, build] of running) cancel(key, build, shuttingDown())
      await Promise.all(ending)
    },
  }
}

function abandoned(): Error {
  return new DOMException('nobody waits for the build any more', 'AbortError')
}

function shuttingDown(): Error {
  return new OperatingError('SHUTTING_DOWN', 'this instance is shutting down')
}

/** Settles like the promise, or rejects with the signal's reason when that comes first. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
