import type { ObjectUpload } from '../object-store.ts'

/** The uploads of one storage that have not ended, so that closing it can drop them. */
export class OpenUploads {
  readonly #uploads = new Set<ObjectUpload>()

  /** The upload, known here until it is discarded. */
  add(upload: ObjectUpload): ObjectUpload {
    this.#uploads.add(upload)
    return {
      write: (chunk) => upload.write(chunk),
      publish: (key) => upload.publish(key),
      discard: async () => {
        this.#uploads.delete(upload)
        await upload.discard()
      },
    }
  }

  async discard(): Promise<void> {
    await Promise.all([...this.#uploads].map((upload) => upload.discard()))
  }
}
