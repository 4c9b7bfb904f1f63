import { createReadStream } from 'node:fs'

/** What an address gives, or why it gives nothing. */
export type Reading =
  | { readonly kind: 'read'; readonly bytes: Buffer }
  /** `absent`: nothing is there. `failed` may pass by itself; asking again is no use where `refused`. */
  | { readonly kind: 'absent' | 'failed' | 'refused' | 'too-large'; readonly error: Error }

export interface ReadLimits {
  readonly maxBytes: number
  readonly deadlineMs: number
}

/** Reads an http, https or file address. Rejects only when `signal` is aborted, with its reason. */
export async function readAddress(
  url: URL,
  limits: ReadLimits,
  signal: AbortSignal,
): Promise<Reading> {
  signal.throwIfAborted()
  using patience = withDeadline(signal, limits.deadlineMs)
  try {
    const read = url.protocol === 'file:' ? readFile : fetchBody
    return await read(url, limits.maxBytes, patience.signal)
  } catch (cause) {
    signal.throwIfAborted()
    const error = new Error(`${url.href} cannot be read`, { cause })
    return { kind: isSystemError(cause, 'ENOENT') ? 'absent' : 'failed', error }
  }
}

/**
 * A signal with a deadline that leaves nothing behind. `AbortSignal.timeout` keeps its timer for the
 * whole time, which a thousand requests a second would feel.
 */
function withDeadline(signal: AbortSignal, deadlineMs: number): Disposable & Patience {
  const patience = new AbortController()
  const onAbort = () => patience.abort(signal.reason)
  const expire = () => patience.abort(new Error(`no answer within ${deadlineMs} ms`))
  const timer = setTimeout(expire, deadlineMs)
  signal.addEventListener('abort', onAbort)
  return {
    signal: patience.signal,
    [Symbol.dispose]() {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    },
  }
}

interface Patience {
  readonly signal: AbortSignal
}

async function readFile(url: URL, maxBytes: number, signal: AbortSignal): Promise<Reading> {
  return readBounded(url, createReadStream(url, { signal }), maxBytes)
}

async function fetchBody(url: URL, maxBytes: number, signal: AbortSignal): Promise<Reading> {
  const response = await fetch(url, { signal })
  // An answer without a body keeps its connection only when it is read to the end.
  const body = response.body ?? []
  if (response.ok) return readBounded(url, body, maxBytes)
  await readBounded(url, body, maxBytes)
  const error = new Error(`${url.href} answers ${response.status}`)
  return { kind: kindOfStatus(response.status), error }
}

// A bucket that nobody may list answers 403 for what it does not have, and Nix reads that alike.
const absentStatuses = [403, 404, 410]
const passingStatuses = [408, 425, 429]

function kindOfStatus(status: number): 'absent' | 'failed' | 'refused' {
  if (absentStatuses.includes(status)) return 'absent'
  return status >= 500 || passingStatuses.includes(status) ? 'failed' : 'refused'
}

async function readBounded(
  url: URL,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  maxBytes: number,
): Promise<Reading> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes) {
      return { kind: 'too-large', error: new Error(`${url.href} has more than ${maxBytes} bytes`) }
    }
    chunks.push(chunk)
  }
  return { kind: 'read', bytes: Buffer.concat(chunks) }
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
