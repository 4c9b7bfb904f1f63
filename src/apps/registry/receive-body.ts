import type { IncomingMessage } from 'node:http'

export type ReceivedBody =
  | { readonly kind: 'whole'; readonly text: string }
  | { readonly kind: 'too-large' }
  /** The client left before its end. */
  | { readonly kind: 'cut' }

/** What any route takes: an order, whose name has at most 255 bytes and its tag 128. */
export const mostBodyBytes = 4096

/**
 * Takes the body of a request. A larger one is taken too, so that the client reads the answer, but not
 * kept; how long that may take is the server's limit.
 */
export function receiveBody(request: IncomingMessage): Promise<ReceivedBody> {
  const { promise, resolve } = Promise.withResolvers<ReceivedBody>()
  const chunks: Buffer[] = []
  let sizeBytes = 0
  request.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length
    if (sizeBytes <= mostBodyBytes) chunks.push(chunk)
    else chunks.length = 0
  })
  request.once('end', () =>
    resolve(
      sizeBytes > mostBodyBytes
        ? { kind: 'too-large' }
        : { kind: 'whole', text: Buffer.concat(chunks).toString() },
    ),
  )
  request.once('close', () => resolve({ kind: 'cut' }))
  return promise
}
