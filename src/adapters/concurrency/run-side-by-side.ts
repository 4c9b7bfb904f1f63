/**
 * Does `work` on every item, at most so many at the same time, in the order of the items. The first
 * failure ends the rest and is thrown when nothing runs any more.
 */
export async function runSideBySide<T>(
  items: Iterable<T>,
  concurrency: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const ending = new AbortController()
  const both = AbortSignal.any([signal, ending.signal])
  const iterator = Iterator.from(items)
  const runLane = async () => {
    try {
      for (let next = iterator.next(); !next.done; next = iterator.next()) {
        both.throwIfAborted()
        await work(next.value, both)
      }
    } catch (error) {
      // Only the first reason counts.
      ending.abort(error)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, runLane))
  both.throwIfAborted()
}
