import { abortable } from './abortable.ts'
import type { BuildOutcome } from './build-outcome.ts'
import type { BuildTarget, ImageBuilder, NumberedTarget } from './image-builder.ts'
import { OperatingError } from './operating-error.ts'
import type { Clock } from './ports/clock.ts'

export interface SharedBuilds extends ImageBuilder {
  /**
   * Cancels one build that nobody waits for, without waiting for its grace to end: the newest, which
   * has done least and still waits for its turn if any of them does. False when there is none.
   */
  cancelOneAbandoned(): boolean
  /** Cancels every build and waits until all have ended; later ones are refused. */
  close(): Promise<void>
}

export interface SharingOptions {
  readonly clock: Clock
  readonly graceMs: number
  readonly newBuildId: () => string
}

/** What callers of one build have in common: the key, or nothing at all. */
type BuildName = string | symbol

interface RunningBuild {
  readonly buildId: string
  readonly result: Promise<BuildOutcome>
  /** Settles when there is room for it; never for one that is refused. */
  readonly room: Promise<void>
  readonly controller: AbortController
  waiters: number
  stopGrace: () => void
}

/** The reason of a caller who gives a build up: it ends at once unless somebody else waits for it. */
export class GivenUp extends Error {
  override readonly name = 'GivenUp'
}

/** Whether nobody wanted something any more, which is part of normal work. */
export function isGivenUp(reason: unknown): reason is Error {
  return reason instanceof GivenUp || (reason instanceof Error && reason.name === 'AbortError')
}

/**
 * One build per key however many callers ask; a target of a source that is not fixed may mean something
 * else by now, so each of its callers gets a build of its own. A build belongs to no caller: it runs under its own
 * signal, and when the last caller has left it goes on for `graceMs`, because container runtimes
 * give up and come back. Outcomes are not kept: the caches answer the next caller.
 */
export function shareBuilds(
  inner: ImageBuilder<NumberedTarget>,
  { clock, graceMs, newBuildId }: SharingOptions,
): SharedBuilds {
  const running = new Map<BuildName, RunningBuild>()
  const ending = new Set<Promise<unknown>>()
  let closed = false

  function start(name: BuildName, target: BuildTarget): RunningBuild {
    const controller = new AbortController()
    const buildId = newBuildId()
    const { promise: room, resolve: hasRoom } = Promise.withResolvers<void>()
    const result = inner.build({ ...target, buildId }, controller.signal, () => hasRoom())
    const build: RunningBuild = {
      buildId,
      result,
      room,
      controller,
      waiters: 0,
      stopGrace: () => undefined,
    }
    running.set(name, build)
    const end = () => {
      build.stopGrace()
      forget(name, build)
      ending.delete(ended)
    }
    const ended = result.then(end, end)
    ending.add(ended)
    return build
  }

  function forget(name: BuildName, build: RunningBuild): void {
    if (running.get(name) === build) running.delete(name)
  }

  /** A cancelled build takes no more callers; the next one starts anew. */
  function cancel(name: BuildName, build: RunningBuild, reason: Error): void {
    forget(name, build)
    build.controller.abort(reason)
  }

  function leave(name: BuildName, build: RunningBuild, reason: unknown): void {
    build.waiters -= 1
    if (build.waiters > 0 || running.get(name) !== build) return
    if (reason instanceof GivenUp) return cancel(name, build, reason)
    build.stopGrace = clock.after(graceMs, () => cancel(name, build, abandoned()))
  }

  return {
    async build(target, signal, onBuild) {
      signal.throwIfAborted()
      if (closed) throw shuttingDown()
      const name = target.source.fixed ? target.key : Symbol(target.key)
      const build = running.get(name) ?? start(name, target)
      build.waiters += 1
      build.stopGrace()
      try {
        void build.room.then(() => onBuild?.(build.buildId))
        return await abortable(build.result, signal)
      } finally {
        leave(name, build, signal.reason)
      }
    },

    cancelOneAbandoned() {
      const newest = [...running].findLast(([, build]) => build.waiters === 0)
      if (newest !== undefined) cancel(...newest, abandoned())
      return newest !== undefined
    },

    async close() {
      closed = true
      for (const [name, build] of running) cancel(name, build, shuttingDown())
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
