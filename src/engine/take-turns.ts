import { OperatingError } from './operating-error.ts'

/**
 * Makes all at once. What finds no place in the queue is made after the others, whose place it takes:
 * the images of one index must not drive each other away.
 */
export async function takeTurns<Item, Made>(
  items: readonly Item[],
  make: (item: Item) => Promise<Made>,
): Promise<readonly Made[]> {
  const refused: unknown[] = []
  const attempts = await Promise.all(
    items.map((item) =>
      make(item).catch((error: unknown) => {
        if (!(error instanceof OperatingError && error.code === 'OVERLOADED')) throw error
        refused.push(error)
        return undefined
      }),
    ),
  )
  if (refused.length === items.length) throw refused[0]
  const made: Made[] = []
  for (const [index, attempt] of attempts.entries())
    made.push(attempt ?? (await make(items[index]!)))
  return made
}
