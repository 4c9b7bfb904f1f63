import type { BuildFailure } from './build-outcome.ts'
import type { BuildTarget, ImageBuilder } from './image-builder.ts'
import type { BuildEvent, BuildObserver } from './ports/build-observer.ts'
import type { Clock } from './ports/clock.ts'
import type { ManifestEntry } from './stored-entries.ts'

/** The bare flow that one build runs: an image, or why there is none. */
export type BuildSteps = (
  target: BuildTarget,
  observe: (event: BuildEvent) => void,
  signal: AbortSignal,
) => Promise<ManifestEntry | BuildFailure>

export interface RecordOptions {
  readonly observer: BuildObserver
  readonly clock: Clock
  readonly newBuildId: () => string
  /** How long one build may take in all, from evaluation to the stored manifest. */
  readonly deadlineMs: number
}

/** Gives every build an id, a deadline, and a beginning and an end that the observer sees. */
export function recordBuilds(steps: BuildSteps, options: RecordOptions): ImageBuilder {
  const { observer, clock, newBuildId, deadlineMs } = options
  return {
    async build(target, signal) {
      const buildId = newBuildId()
      const observe = (event: BuildEvent) => observer.observe(buildId, event)
      const deadline = new AbortController()
      const stopDeadline = clock.after(deadlineMs, () =>
        deadline.abort(new Error('deadline passed')),
      )
      const { source, revision } = target.source
      observe({ kind: 'started', request: target.request, source, revision })
      try {
        const result = await steps(target, observe, AbortSignal.any([signal, deadline.signal]))
        if ('kind' in result) {
          observe({ kind: 'failed', failure: result })
          return { kind: 'failed', buildId, failure: result }
        }
        observe({
          kind: 'finished',
          manifest: result.manifests[0]?.digest ?? '',
          sizeBytes: imageSize(result),
        })
        return { kind: 'built', image: result }
      } catch (error) {
        if (deadline.signal.aborted && !signal.aborted) {
          const failure: BuildFailure = { kind: 'deadline-passed', deadlineMs }
          observe({ kind: 'failed', failure })
          return { kind: 'failed', buildId, failure }
        }
        observe({ kind: 'aborted', reason: error })
        throw error
      } finally {
        stopDeadline()
      }
    },
  }
}

function imageSize(image: ManifestEntry): number {
  return image.blobs.reduce((sum, blob) => sum + blob.size, 0)
}
