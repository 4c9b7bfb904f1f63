import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { ImageViews } from '#apps/web/web-services.ts'
import { createLayerSharing } from '#engine/image-view/layer-sharing.ts'
import { createTurns } from '#engine/image-view/run-in-turn.ts'
import { viewAddition, type AdditionTools } from '#engine/image-view/view-addition.ts'
import { viewImage } from '#engine/image-view/view-image.ts'
import type { StorageUpkeep } from '#engine/ports/storage-upkeep.ts'

/** What the views are made of; the storage must stay open for longer. */
export interface ViewParts extends Omit<AdditionTools, 'clock' | 'inTurn'> {
  readonly upkeep: Pick<StorageUpkeep, 'entries'>
  readonly logger: Logger
}

// Of 20 seconds at most for each, whoever comes last would have to wait for two minutes.
const mostWaiting = 5

/** What the API shows of images. */
export function openImageViews(parts: ViewParts): ImageViews & { close(): void } {
  const { logger, ...tools } = parts
  const clock = systemClock
  const sharing = createLayerSharing({
    ...tools,
    nowMs: () => performance.now(),
    clock,
    onFailure: (error) =>
      logger.warn({ error: describeError(error) }, 'which images share layers is not known'),
  })
  const inTurn = createTurns(mostWaiting)
  return {
    view: (asked, signal) => viewImage({ ...tools, sharing }, asked, signal),
    viewAddition: (asked, signal) => viewAddition({ ...tools, clock, inTurn }, asked, signal),
    close: () => sharing.close(),
  }
}
