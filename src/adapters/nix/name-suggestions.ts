import { foldAttributeName, formatAttributePath } from '#core/nix/attribute-path.ts'
import { nearNames } from '#core/nix/near-names.ts'
import type { System } from '#core/nix/system.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'

/** A package that was not found: `path` is how far the look-up came, `rest` what is not there. */
export interface MissingName {
  readonly name: string
  readonly path: readonly string[]
  readonly rest: string
}

type ListNames = (level: readonly string[]) => Promise<readonly string[]>

/** A level of nixpkgs is 2 MB at most; people misspell names of a few levels over and over. */
const cachedLevels = 8

const mostSuggestions = 3

/** Finds names that somebody may have meant, remembering the names of the levels asked for last. */
export class NameSuggestions {
  readonly #levels = new Map<string, readonly string[]>()

  async suggest(
    missing: MissingName,
    set: PackageSet,
    system: System,
    listNames: ListNames,
  ): Promise<readonly string[]> {
    const namesAt = (level: readonly string[]) =>
      this.#namesAt(JSON.stringify([set.identity, system, level]), () => listNames(level))
    const inner = suggestAtLevel(missing.path, missing.rest, await namesAt(missing.path))
    // `python3.12` stops inside python3, but `python3.11` is a name of its own.
    const outer = missing.path.length === 0 ? [] : nearNames(missing.name, await namesAt([]))
    return [...new Set([...inner, ...outer])].slice(0, mostSuggestions)
  }

  async #namesAt(key: string, list: () => Promise<readonly string[]>): Promise<readonly string[]> {
    const names = this.#levels.get(key) ?? (await list())
    this.#levels.delete(key)
    // A level without names may be one that could not be read just now.
    if (names.length > 0) this.#levels.set(key, names)
    const oldest = this.#levels.keys().next()
    if (this.#levels.size > cachedLevels && !oldest.done) this.#levels.delete(oldest.value)
    return names
  }
}

/** Names near the whole rest, else names near its part before the first dot. */
function suggestAtLevel(
  path: readonly string[],
  rest: string,
  names: readonly string[],
): readonly string[] {
  const inPath = (name: string) => formatAttributePath([...path.map(foldAttributeName), name])
  const whole = nearNames(rest, names)
  const dot = rest.indexOf('.')
  if (whole.length > 0 || dot === -1) return whole.map(inPath)
  return nearNames(rest.slice(0, dot), names).map((name) => inPath(name + rest.slice(dot)))
}
