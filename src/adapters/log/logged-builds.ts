import type { Logger } from 'pino'
import type { BuildObserver } from '#engine/ports/build-observer.ts'
import { describeError } from './described-error.ts'

/** Writes the steps of builds to the log: the milestones at `info`, the many small facts at `debug`. */
export function logBuilds(logger: Logger): BuildObserver {
  return {
    observe(buildId, event) {
      const build = logger.child({ build: buildId })
      switch (event.kind) {
        case 'started':
          build.info(
            {
              packages: event.request.packages,
              platform: event.request.platform.architecture,
              revision: event.revision,
            },
            'build started',
          )
          break
        case 'evaluated':
          build.info({ derivations: event.derivations }, 'packages evaluated')
          break
        case 'realising':
          build.debug(event.progress, 'realising')
          break
        case 'planned':
          build.info(
            {
              storePaths: event.storePaths,
              layers: event.layers,
              narSizeBytes: event.narSizeBytes,
            },
            'layers planned',
          )
          break
        case 'layer-packed':
          build.debug(
            {
              digest: event.digest,
              sizeBytes: event.sizeBytes,
              archiveSizeBytes: event.archiveSizeBytes,
            },
            'layer packed',
          )
          break
        case 'layer-reused':
          build.debug({ digest: event.digest, sizeBytes: event.sizeBytes }, 'layer reused')
          break
        case 'finished':
          build.info({ manifest: event.manifest, sizeBytes: event.sizeBytes }, 'build finished')
          break
        case 'failed':
          build.warn({ failure: event.failure }, 'build failed')
          break
        case 'aborted':
          build.warn({ reason: describeError(event.reason) }, 'build aborted')
          break
      }
    },
  }
}
