import { setImmediate } from 'node:timers/promises'

import { foldAttributeName, formatAttributePath } from '#core/nix/attribute-path.ts'
import { NameIndex } from '#core/nix/name-index.ts'
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

/** People misspell names of a few levels over and over. */
const mostLevels = 8

/** In all levels together: 60 MB of indexes. */
const mostNames = 400_000

const mostSuggestions = 3

/** Gives the names near one. */
type FindNear = (wanted: string) => readonly string[]

/** Finds names that somebody may have meant; what a fixed set has at a level is asked for once. */
export class NameSuggestions {
  readonly #levels = new Map<string, NameIndex>()

  async suggest(
    missing: MissingName,
    set: PackageSet,
    system: System,
    listNames: ListNames,
  ): Promise<readonly string[]> {
    const nearAt = async (level: readonly string[]): Promise<FindNear> => {
      const list = () => listNames(level)
      if (set.fixed) return this.#indexed(JSON.stringify([set.identity, system, level]), list)
      const names = await list()
      return (wanted) => nearNames(wanted, names)
    }
    const inner = suggestAtLevel(missing.path, missing.rest, await nearAt(missing.path))
    // `python3.12` stops inside python3, but `python3.11` is a name of its own.
    const outer = missing.path.length === 0 ? [] : (await nearAt([]))(missing.name)
    return [...new Set([...inner, ...outer])].slice(0, mostSuggestions)
  }

  async #indexed(key: string, list: () => Promise<readonly string[]>): Promise<FindNear> {
    const index = this.#levels.get(key) ?? (await NameIndex.build(await list(), setImmediate))
    this.#levels.delete(key)
    // A level without names may be one that could not be read just now.
    if (index.size > 0) this.#levels.set(key, index)
    this.#dropOldest()
    return (wanted) => index.near(wanted)
  }

  #dropOldest(): void {
    let count = this.#levels.values().reduce((sum, { size }) => sum + size, 0)
    for (const [key, { size }] of this.#levels) {
      if (this.#levels.size <= mostLevels && count <= mostNames) return
      this.#levels.delete(key)
      count -= size
    }
  }
}

/** Names near the whole rest, else names near its part before the first dot. */
function suggestAtLevel(path: readonly string[], rest: string, near: FindNear): readonly string[] {
  const inPath = (name: string) => formatAttributePath([...path.map(foldAttributeName), name])
  const whole = near(rest)
  const dot = rest.indexOf('.')
  if (whole.length > 0 || dot === -1) return whole.map(inPath)
  return near(rest.slice(0, dot)).map((name) => inPath(name + rest.slice(dot)))
}
