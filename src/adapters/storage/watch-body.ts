import { Readable } from 'node:stream'
import { OperatingError } from '#engine/operating-error.ts'

// As much as a file is read in at once; see the filesystem backend.
const aheadBytes = 256 * 1024

export interface BodyWatch {
  /** Begins the message of a failure. */
  readonly doing: string
  readonly stallMs: number
  /** What a broken download means to operators, in the words of its backend. */
  readonly explain: (error: unknown, doing: string) => unknown
}

/**
 * The body of a download, whose failures are operating errors. One from which nothing comes for
 * `stallMs` although somebody waits for it is dead; one that nobody reads, because the client is
 * slow, is not.
 */
export function watchBody(body: Readable, { doing, stallMs, explain }: BodyWatch): Readable {
  // It may fail before anybody reads; the iterator tells of it then.
  body.on('error', () => undefined)
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  const end = () =>
    body.destroy(new OperatingError('STORAGE_BUSY', `${doing}: nothing came for ${stallMs} ms`))

  async function readNext(): Promise<void> {
    const timer = setTimeout(end, stallMs)
    try {
      const { value = null } = await chunks.next()
      watched.push(value)
    } catch (error) {
      watched.destroy(explain(error, doing) as Error)
    } finally {
      clearTimeout(timer)
    }
  }

  const watched = new Readable({
    highWaterMark: aheadBytes,
    read: () => void readNext(),
    // At once, even while something is waited for: a reader who leaves holds no connection.
    destroy(error, done) {
      body.destroy()
      done(error)
    },
  })
  return watched
}
