import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { gcsError } from './gcs-error.ts'

// As much as a file is read in at once; see the filesystem backend.
const aheadBytes = 256 * 1024

/** The body of an answer as a stream whose failures are operating errors. */
export function downloadStream(answer: IncomingMessage, doing: string): Readable {
  // It may fail before anybody reads; the iterator tells of it then.
  answer.on('error', () => undefined)
  const stream = Readable.from(readAnswer(answer, doing), {
    objectMode: false,
    highWaterMark: aheadBytes,
  })
  // An iterator that was never started ends nothing.
  stream.once('close', () => answer.destroy())
  return stream
}

async function* readAnswer(answer: IncomingMessage, doing: string): AsyncGenerator<Uint8Array> {
  try {
    yield* answer as AsyncIterable<Uint8Array>
  } catch (error) {
    throw gcsError(error, doing)
  }
}
