import { Readable } from 'node:stream'
import { OperatingError } from '#engine/operating-error.ts'
import { s3Error } from './s3-error.ts'

// As much as a file is read in at once; see the filesystem backend.
const aheadBytes = 256 * 1024

/**
 * The body of a download, whose failures are operating errors. One from which nothing comes for
 * `stallMs` although somebody waits for it is dead; one that nobody reads, because the client is
 * slow, is not.
 */
export function watchBody(body: Readable, doing: string, stallMs: number): Readable {
  // It may fail before anybody reads; the iterator tells of it then.
  body.on('error', () => undefined)
  const watched = Readable.from(watchChunks(body, doing, stallMs), {
    objectMode: false,
    highWaterMark: aheadBytes,
  })
  watched.once('close', () => body.destroy())
  return watched
}

async function* watchChunks(
  body: Readable,
  doing: string,
  stallMs: number,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  const end = () =>
    body.destroy(new OperatingError('STORAGE_BUSY', `${doing}: nothing came for ${stallMs} ms`))
  try {
    for (;;) {
      const timer = setTimeout(end, stallMs)
      const next = await chunks.next().finally(() => clearTimeout(timer))
      if (next.done === true) return
      yield next.value
    }
  } catch (error) {
    throw s3Error(error, doing)
  }
}
