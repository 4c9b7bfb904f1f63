import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { buffer } from 'node:stream/consumers'
import { addAbortSignal, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { GcsAnswerError } from './gcs-error.ts'

export interface GcsRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Exactly as many bytes as `sizeBytes` says. */
  readonly body?: { readonly sizeBytes: number; open(): Readable }
  /** A connection on which nothing happens for so long before an answer comes is dead. */
  readonly idleTimeoutMs: number
}

/**
 * Sends a request and gives its answer, whose body the caller reads or destroys. The signal and the
 * timeout count until then: how long a body may take depends on who reads it.
 *
 * The streams of Google's own client are not used: those of 8.4.0 cannot be aborted before their
 * first byte, wait forever for a silent server, and throw at the process when a download that is
 * tried again (after a 503, say) is answered.
 */
export async function sendRequest(
  { method, url, headers, body, idleTimeoutMs }: GcsRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const length = { 'content-length': String(body?.sizeBytes ?? 0) }
  const send = url.protocol === 'http:' ? requestHttp : requestHttps
  const request = send(url, {
    method,
    headers: method === 'GET' ? headers : { ...headers, ...length },
    timeout: idleTimeoutMs,
  })
  request.once('response', (response) => {
    request.setTimeout(0)
    // A refusal may come before all is sent; the rest would be sent in vain.
    if (!request.writableFinished) response.once('end', () => request.destroy())
    resolve(response)
  })
  request.on('error', reject)
  request.on('timeout', () => request.destroy(timeoutError(idleTimeoutMs)))
  if (body === undefined) request.end()
  else pipeline(body.open(), request).catch(reject)
  const abort = () => request.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

// Answers that are read whole are JSON of some KiB; more is no answer of Google's.
const mostAnswerBytes = 1024 * 1024

/** The text of an answer. */
export async function readAnswer(answer: IncomingMessage, signal: AbortSignal): Promise<string> {
  const length = Number(answer.headers['content-length'] ?? 0)
  try {
    if (length > mostAnswerBytes) throw new GcsAnswerError(answer.statusCode ?? 0, 'too long')
    return (await buffer(addAbortSignal(signal, answer))).toString()
  } finally {
    if (!answer.complete) answer.destroy()
  }
}

/** The body of an answer; `undefined` when it is larger than `mostBytes`. */
export async function collectBytes(
  answer: IncomingMessage,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let sizeBytes = Number(answer.headers['content-length'] ?? 0)
  if (sizeBytes <= mostBytes) {
    sizeBytes = 0
    for await (const chunk of addAbortSignal(signal, answer) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk)
      sizeBytes += chunk.length
      if (sizeBytes > mostBytes) break
    }
  }
  if (sizeBytes <= mostBytes) return Buffer.concat(chunks)
  answer.destroy()
  return undefined
}

/** An answer that says no, as an error with what it says. */
export function answerError(answer: IncomingMessage, text: string): GcsAnswerError {
  return new GcsAnswerError(answer.statusCode ?? 0, messageOf(text) ?? answer.statusMessage ?? '')
}

/** Google's API answers in JSON; what stands before it, a proxy say, in what it likes. */
function messageOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } }
    return error?.message ?? text
  } catch (error) {
    if (error instanceof SyntaxError) return text === '' ? undefined : text
    throw error
  }
}

function timeoutError(idleTimeoutMs: number): Error {
  const text = `the bucket has said nothing for ${idleTimeoutMs / 1000} s`
  return Object.assign(new Error(text), { code: 'ETIMEDOUT' })
}
