import type { S3 } from '@aws-sdk/client-s3'
import { abortable } from '#engine/abortable.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { ChecksumKind } from './body-checksum.ts'
import { s3Error } from './s3-error.ts'

/** How long a call may take: one try of it until the server answers, and all of them. */
export interface CallBounds {
  readonly tryMs: number
  readonly totalMs: number
}

export interface S3Limits {
  /** Documents and questions: no server thinks longer about them unless it is in trouble. */
  readonly small: CallBounds
  /** A part of an upload: 16 MiB in two minutes are 1.1 Mbit/s. The spool tries it again, not the SDK. */
  readonly part: CallBounds
  /** What the server copies or joins by itself, and may not answer before it is done. */
  readonly copy: CallBounds
  /** A download from which nothing comes for so long is dead. */
  readonly stallMs: number
}

export const defaultLimits: S3Limits = {
  // A client waits for them, and some wait half a minute.
  small: { tryMs: 15_000, totalMs: 25_000 },
  part: { tryMs: 120_000, totalMs: 120_000 },
  copy: { tryMs: 300_000, totalMs: 600_000 },
  stallMs: 30_000,
}

/** What a call of the SDK takes beside its input. */
export interface CallOptions {
  readonly abortSignal: AbortSignal
  readonly requestTimeout: number
}

/** One bucket and the way to ask for things of it. */
export interface S3Bucket {
  readonly name: string
  readonly s3: S3
  readonly limits: S3Limits
  /** With what this server checks the bodies that it gets. */
  readonly checksum: ChecksumKind
}

/** What is done, with the bucket that it is done in. */
export function describeCall(bucket: string, doing: string): string {
  return `s3://${bucket}: ${doing}`
}

/**
 * Calls the SDK within bounds; what fails comes out as an operating error that begins with `doing`.
 * A stream that the call resolves to lives longer than the bounds and the signal.
 */
export async function callBucket<T>(
  { name, s3 }: Pick<S3Bucket, 'name' | 's3'>,
  doing: string,
  { tryMs, totalMs }: CallBounds,
  work: (s3: S3, options: CallOptions) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted()
  const what = describeCall(name, doing)
  const ending = new AbortController()
  const leave = () => ending.abort(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  const timer = setTimeout(
    () => ending.abort(new OperatingError('STORAGE_BUSY', `${what}: no answer in ${totalMs} ms`)),
    totalMs,
  )
  try {
    const options = { abortSignal: ending.signal, requestTimeout: tryMs }
    // The SDK looks for credentials without regard to the signal.
    return await abortable(work(s3, options), ending.signal)
  } catch (error) {
    ending.signal.throwIfAborted()
    throw s3Error(error, what)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', leave)
  }
}
