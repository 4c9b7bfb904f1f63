/**
 * Does `work` on every item, at most so many at the same time, in the order of the items. The first
 * failure aborts the signal that the others got, and is thrown when nothing runs any more.
 */
export async function runInLanes<Item>(
  items: Iterable<Item>,
  lanes: number,
  work: (item: Item, signal: AbortSignal) => Promise<void>,
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
  await Promise.all(Array.from({ length: lanes }, runLane))
  both.throwIfAborted()
}
