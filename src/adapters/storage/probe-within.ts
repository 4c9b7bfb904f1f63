import { OperatingError } from '#engine/operating-error.ts'

// Orchestrators take a start that says nothing for a minute for dead; a bucket answers in milliseconds.
const probeMs = 25_000

/** Runs the first look at a bucket, by its address. A server that says nothing ends the start with a word about it. */
export async function probeWithin<T>(
  bucket: string,
  probe: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController()
  const silence = () =>
    ending.abort(new OperatingError('STORAGE_BUSY', `${bucket}: no answer in ${probeMs / 1000} s`))
  const timer = setTimeout(silence, probeMs)
  try {
    return await probe(ending.signal)
  } finally {
    clearTimeout(timer)
  }
}
