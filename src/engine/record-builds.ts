import { subjectOf, type ImageBuilder, type NumberedTarget } from './image-builder.ts'
import { OperatingError } from './operating-error.ts'
import type { BuildObserver } from './ports/build-observer.ts'
import type { ManifestEntry } from './stored-entries.ts'

/** Tells the observer when a build begins to wait for its turn, and how it ends. */
export function recordBuilds(
  inner: ImageBuilder<NumberedTarget>,
  observer: BuildObserver,
): ImageBuilder<NumberedTarget> {
  return {
    async build(target, signal, onBuild) {
      const { buildId } = target
      const begin = () => {
        observer.observe(buildId, { kind: 'queued', ...subjectOf(target) })
        onBuild?.(buildId)
      }
      try {
        const outcome = await inner.build(target, signal, begin)
        if (outcome.kind === 'failed')
          observer.observe(buildId, { kind: 'failed', failure: outcome.failure })
        else
          observer.observe(buildId, {
            kind: 'finished',
            manifest: outcome.image.manifests[0]?.digest ?? '',
            sizeBytes: imageSize(outcome.image),
          })
        return outcome
      } catch (error) {
        // Refusals must not drive builds out of lists: nobody has heard of this one.
        if (!isOverload(error)) observer.observe(buildId, { kind: 'aborted', reason: error })
        throw error
      }
    },
  }
}

function isOverload(error: unknown): boolean {
  return error instanceof OperatingError && error.code === 'OVERLOADED'
}

function imageSize(image: ManifestEntry): number {
  return image.blobs.reduce((sum, blob) => sum + blob.size, 0)
}
