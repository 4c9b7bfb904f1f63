import type { Logger } from 'pino'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'
import { describeError } from './described-error.ts'

/** Writes one line for each thing that happens to the storage. */
export function logStorage(logger: Logger): StorageObserver {
  return {
    observe(event) {
      switch (event.kind) {
        case 'blob-quarantined':
          logger.warn(
            { digest: event.digest, sizeBytes: event.sizeBytes },
            'blob is damaged: moved into quarantine, the next pull makes it again',
          )
          break
        case 'blob-missing':
          logger.warn(
            { digest: event.digest },
            'blob of a stored image is missing or not whole: it is made again',
          )
          break
        case 'garbage-collected':
          logger.info(
            {
              images: event.images,
              blobs: event.blobs,
              sizeBytes: event.sizeBytes,
              durationMs: Math.round(event.durationMs),
            },
            'garbage collected',
          )
          break
        case 'collection-skipped':
          logger.info(
            { collector: event.collector },
            'garbage not collected: another collector is at work',
          )
          break
        case 'packages-collected':
          logger.info(
            { paths: event.paths, sizeBytes: event.sizeBytes },
            'packages collected from the Nix store',
          )
          break
        case 'collection-failed':
          logger.error(
            { error: describeError(event.error) },
            event.subject === 'garbage'
              ? 'garbage not collected'
              : 'packages not collected from the Nix store',
          )
          break
      }
    },
  }
}
