import type { BuildFailure } from './build-outcome.ts'
import {
  subjectOf,
  type BuildTarget,
  type ImageBuilder,
  type NumberedTarget,
} from './image-builder.ts'
import type { BuildEvent, BuildObserver } from './ports/build-observer.ts'
import type { Clock } from './ports/clock.ts'
import type { ManifestEntry } from './stored-entries.ts'

/** The bare flow that one build runs: an image, or why there is none. */
export type BuildSteps = (
  target: BuildTarget,
  observe: (event: BuildEvent) => void,
  signal: AbortSignal,
) => Promise<ManifestEntry | BuildFailure>

export interface RunOptions {
  readonly observer: BuildObserver
  readonly clock: Clock
  /** How long one build may take in all, from evaluation to the stored manifest. */
  readonly deadlineMs: number
}

/** Runs the steps of builds within a deadline; the observer sees when they begin and what they do. */
export function runBuilds(
  steps: BuildSteps,
  { observer, clock, deadlineMs }: RunOptions,
): ImageBuilder<NumberedTarget> {
  return {
    async build(target, signal) {
      const { buildId } = target
      const observe = (event: BuildEvent) => observer.observe(buildId, event)
      const deadline = new AbortController()
      const stopDeadline = clock.after(deadlineMs, () =>
        deadline.abort(new Error('deadline passed')),
      )
      observe({ kind: 'started', ...subjectOf(target) })
      try {
        const result = await steps(target, observe, AbortSignal.any([signal, deadline.signal]))
        return 'kind' in result
          ? { kind: 'failed', buildId, failure: result }
          : { kind: 'built', image: result }
      } catch (error) {
        if (!deadline.signal.aborted || signal.aborted) throw error
        return { kind: 'failed', buildId, failure: { kind: 'deadline-passed', deadlineMs } }
      } finally {
        stopDeadline()
      }
    },
  }
}
