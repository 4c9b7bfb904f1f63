import { abortable } from '../abortable.ts'
import { OperatingError } from '../operating-error.ts'

/** Runs work after all that came before; refuses with `OVERLOADED` when too much waits. */
export type RunInTurn = <Result>(
  work: () => Promise<Result>,
  signal: AbortSignal,
) => Promise<Result>

/** One at a time, in the order of arrival, and at most so many that wait. */
export function createTurns(mostWaiting: number): RunInTurn {
  let last: Promise<unknown> = Promise.resolve()
  let under = 0
  return async (work, signal) => {
    if (under > mostWaiting)
      throw new OperatingError('OVERLOADED', `${under - 1} wait for the same: ask again later`)
    under += 1
    const { promise: done, resolve } = Promise.withResolvers<void>()
    const turn = last
    // Who leaves the queue does not let the next one pass those before.
    last = Promise.all([turn, done])
    try {
      await abortable(turn, signal)
      return await work()
    } finally {
      under -= 1
      resolve()
    }
  }
}
