import type { ViewedPath } from '#core/api/image-view.ts'

/** Name of a store path without its hash. */
export function pathName({ path }: Pick<ViewedPath, 'path'>): string {
  return path.slice(path.indexOf('-') + 1)
}

/** For each place in the closure the places that it refers to, itself left out. */
export function referencesOf(closure: readonly ViewedPath[]): readonly (readonly number[])[] {
  return closure.map(({ references }, place) =>
    references.filter((reference) => reference !== place),
  )
}

/** For each place in the closure the places that refer to it, itself left out. */
export function referrersOf(closure: readonly ViewedPath[]): readonly (readonly number[])[] {
  const referrers: number[][] = closure.map(() => [])
  for (const [place, references] of referencesOf(closure).entries())
    for (const reference of references) referrers[reference]?.push(place)
  return referrers
}

/** All places that links lead to from a start, over any number of them; the start is among them. */
export function reachedFrom(
  links: readonly (readonly number[])[],
  start: number,
): ReadonlySet<number> {
  const reached = new Set([start])
  // Grows while it is walked.
  for (const place of reached) for (const next of links[place] ?? []) reached.add(next)
  return reached
}

/**
 * The places that the image was made for: those of the packages in its name or, where that was not
 * noted, of all that nothing refers to.
 */
export function startsOf(closure: readonly ViewedPath[]): ReadonlySet<number> {
  const places = [...closure.keys()]
  const asked = places.filter((place) => closure[place]!.asked)
  if (asked.length > 0) return new Set(asked)
  const referrers = referrersOf(closure)
  return new Set(places.filter((place) => referrers[place]!.length === 0))
}

/** The shortest way from one of the starts down to `target`, both included: why it is in the image. */
export function wayTo(closure: readonly ViewedPath[], target: number): readonly number[] {
  const referrers = referrersOf(closure)
  const starts = startsOf(closure)
  const next = new Map<number, number | undefined>([[target, undefined]])
  // Grows while it is walked: breadth first.
  for (const index of next.keys()) {
    if (starts.has(index)) return follow(next, index)
    for (const referrer of referrers[index]!) if (!next.has(referrer)) next.set(referrer, index)
  }
  // A cycle that no start refers to.
  return [target]
}

function follow(next: ReadonlyMap<number, number | undefined>, start: number): readonly number[] {
  const way: number[] = []
  for (let at: number | undefined = start; at !== undefined; at = next.get(at)) way.push(at)
  return way
}
