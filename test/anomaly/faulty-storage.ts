import { OperatingError } from '#engine/operating-error.ts'
import type { TestedStorage } from '#test/fakes/storage-tools.ts'

/** When a call fails: before it does anything, or when all is done but the answer is lost. */
export type FaultMoment = 'before' | 'after'

export interface FaultyStorage extends TestedStorage {
  /** The calls so far, in order; the faulty one is the last that matters. */
  readonly calls: readonly string[]
}

/** A storage in which the call with that number fails, counted from 0 over all methods. */
export function failCall(
  storage: TestedStorage,
  faultyCall: number,
  moment: FaultMoment,
): FaultyStorage {
  const calls: string[] = []

  async function call<T>(
    name: string,
    run: () => Promise<T>,
    close: (result: T) => unknown = () => {},
  ): Promise<T> {
    const fails = calls.length === faultyCall
    calls.push(name)
    if (!fails) return run()
    // A system call that fails to close or to remove has let go of the file all the same.
    if (moment === 'after' || name === 'discard') await close(await run())
    throw new OperatingError('STORAGE_FAILED', `call ${faultyCall}, ${name}, fails on purpose`)
  }

  const { blobs, entries, upkeep } = storage
  return {
    calls,
    blobs: {
      stat: (...args) => call('stat', () => blobs.stat(...args)),
      open: (...args) =>
        call(
          'open',
          () => blobs.open(...args),
          (stream) => stream?.destroy(),
        ),
      readDocument: (...args) => call('readDocument', () => blobs.readDocument(...args)),
      upload: (...args) =>
        call(
          'upload',
          () => blobs.upload(...args),
          (upload) => upload.discard(),
        ).then((upload) => ({
          write: (chunk) => call('write', () => upload.write(chunk)),
          publish: (digest) => call('publish', () => upload.publish(digest)),
          discard: () => call('discard', () => upload.discard()),
        })),
    },
    entries: {
      get: (...args) => call('get', () => entries.get(...args)),
      putFirst: (...args) => call('putFirst', () => entries.putFirst(...args)),
      remove: (...args) => call('remove', () => entries.remove(...args)),
    },
    upkeep: {
      recordUse: (...args) => call('recordUse', () => upkeep.recordUse(...args)),
      notices: (...args) => call('notices', () => upkeep.notices(...args)),
    },
  }
}
