import type { ImageContent } from '../image-content.ts'

/** Somewhere outside of the storage that images are taken to. */
export interface ImageDestination {
  /**
   * Throws what would keep `write` from its work, as far as that can be known before there is an image:
   * a build may take an hour. Leaves nothing behind.
   */
  check(signal: AbortSignal): Promise<void>
  /**
   * Writes all of an image, or what the destination lacks of it. `onProgress` counts the bytes of configs
   * and layers; those that are there already are done at once.
   */
  write(
    image: ImageContent,
    onProgress: (doneBytes: number, totalBytes: number) => void,
    signal: AbortSignal,
  ): Promise<void>
}

/** An image that a destination cannot take, or a destination that takes no image; the message says what to do. */
export class UnfitDestination extends Error {
  override readonly name = 'UnfitDestination'
}
