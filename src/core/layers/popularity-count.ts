import { storePathName, type StorePath } from '#core/nix/store-path.ts'

/**
 * The names of what a store path refers to, each once and without the path itself. Names, because a
 * rating has to outlive the hashes, which change with every rebuild.
 */
export function referencedNames(
  path: StorePath,
  references: readonly StorePath[],
): readonly string[] {
  const others = references.filter((reference) => reference !== path)
  return [...new Set(others.map(storePathName))].sort()
}

/** Counts, for each name, the store paths that refer to something of that name. */
export class PopularityCount {
  readonly #referrers = new Map<string, number>()

  /** Adds one store path by the names that it refers to. */
  add(names: readonly string[]): void {
    for (const name of names) this.#referrers.set(name, (this.#referrers.get(name) ?? 0) + 1)
  }

  /**
   * Name to number of referrers, sorted by name. What one path alone needs is left out: without a
   * rating it counts as 1 too.
   */
  ratings(): ReadonlyMap<string, number> {
    const rated = [...this.#referrers].filter(([, count]) => count > 1)
    return new Map(rated.sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

/** The popularity file: one JSON object, a line per name, so that two of them can be compared. */
export function formatPopularity(ratings: ReadonlyMap<string, number>): string {
  // JSON.stringify would put names that are numbers first.
  const lines = [...ratings].map(([name, rating]) => `${JSON.stringify(name)}: ${rating}`)
  return `{\n${lines.join(',\n')}\n}\n`
}
