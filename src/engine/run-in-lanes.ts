/**
 * Does `work` on every item, at most so many at the same time. The first failure ends the rest and is
 * thrown when nothing runs any more.
 */
export async function runInLanes<Item>(
  items: Iterable<Item>,
  lanes: number,
  work: (item: Item) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const iterator = Iterator.from(items)
  let failed = false
  const runLane = async () => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) {
      signal.throwIfAborted()
      await work(next.value)
    }
  }
  const ends = await Promise.allSettled(
    Array.from({ length: lanes }, () =>
      runLane().catch((error: unknown) => {
        failed = true
        throw error
      }),
    ),
  )
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
