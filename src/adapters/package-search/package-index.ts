import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { distanceBound, nearestOf } from '#core/nix/near-names.ts'
import type { FoundPackage, SearchOutcome } from '#engine/ports/package-search.ts'
import type { IndexFacts } from './index-format.ts'
import { parseSearchTerms } from './search-terms.ts'

const factsSchema = z.object({
  identity: z.string(),
  revision: z.string(),
  platforms: z.string(),
  listed_at_ms: z.number(),
  is_provisional: z.literal([0, 1]),
})
const idsSchema = z.array(z.object({ id: z.number() }))
const packageSchema = z.object({
  name: z.string(),
  attribute_path: z.string(),
  version: z.string().nullable(),
  description: z.string().nullable(),
  platforms: z.string(),
})
const nameSchema = z.object({ name: z.string() })
const spellingsSchema = z.array(z.object({ spellings: z.string() }))

/** A page shows no more, and a search takes time for each. */
const mostFound = 200

/** Whoever finds fewer may have misspelled the name. */
const fewFound = 5

/** Comparing with as many takes 10 ms. The bundled set has 23,000 of nearly one length; nearer lengths come first. */
const mostCompared = 30_000

/**
 * The packages of one package set, in a file that never changes. A damaged file gives errors of any
 * kind, when it is opened or later; no search gives any else.
 */
export class PackageIndex implements Disposable {
  readonly path: string
  readonly facts: IndexFacts
  readonly #database: DatabaseSync
  readonly #exact: StatementSync
  readonly #inWords: StatementSync
  readonly #inParts: StatementSync
  readonly #ofLengths: StatementSync
  readonly #beginning: StatementSync
  readonly #package: StatementSync

  constructor(path: string) {
    this.path = path
    // Immutable: without locks, which not every file system has.
    const url = pathToFileURL(path)
    url.searchParams.set('immutable', '1')
    this.#database = new DatabaseSync(url, { readOnly: true })
    try {
      this.facts = this.#readFacts()
      this.#exact = this.#database.prepare('SELECT id FROM packages WHERE name = ?')
      this.#inWords = this.#database.prepare(
        'SELECT rowid AS id FROM words WHERE words MATCH ? ORDER BY rowid LIMIT ?',
      )
      this.#inParts = this.#database.prepare(
        'SELECT rowid AS id FROM parts WHERE parts MATCH ? ORDER BY rowid LIMIT ?',
      )
      this.#ofLengths = this.#database.prepare(
        'SELECT spellings FROM lengths WHERE abs(length - :length) <= :distance ORDER BY abs(length - :length)',
      )
      this.#beginning = this.#database.prepare(
        "SELECT name FROM packages WHERE name BETWEEN :prefix AND :prefix || '~' ORDER BY id LIMIT :most",
      )
      this.#package = this.#database.prepare('SELECT * FROM packages WHERE id = ?')
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  /** What somebody finds who types that: some milliseconds. */
  search(typed: string, most: number): SearchOutcome & { readonly kind: 'found' } {
    const { revision, platforms } = this.facts
    const packages = this.find(typed, Math.min(most, mostFound))
    const isFound = ({ name }: FoundPackage) => packages.some((found) => found.name === name)
    const near = packages.length < Math.min(most, fewFound) ? this.near(typed) : []
    const others = near.filter((each) => !isFound(each))
    return { kind: 'found', packages, near: others, platforms, revision }
  }

  /**
   * Packages that have all words of what somebody typed: the one that is called so, names that begin
   * with it, names that have the words, then names and descriptions; each time the shortest names
   * first. Takes some milliseconds.
   */
  find(typed: string, most: number): readonly FoundPackage[] {
    const terms = parseSearchTerms(typed)
    if (terms === undefined) return []
    const { inNames } = terms
    const ids = new Set<number>()
    for (const look of [
      () => this.#exact.all(terms.exact),
      () => this.#inWords.all(terms.beginning, most),
      () =>
        inNames === undefined
          ? []
          : (inNames.table === 'parts' ? this.#inParts : this.#inWords).all(inNames.terms, most),
      () => this.#inWords.all(terms.anywhere, most),
    ]) {
      if (ids.size < most) for (const { id } of idsSchema.parse(look())) ids.add(id)
    }
    return [...ids].slice(0, most).map((id) => this.#read(id))
  }

  /** Names that begin with the prefix, at most so many, the shortest first. No name has a `~`. */
  namesBeginning(prefix: string, most: number): readonly string[] {
    return z
      .array(nameSchema)
      .parse(this.#beginning.all({ prefix, most }))
      .map(({ name }) => name)
  }

  /**
   * Packages whose names, or the last parts of whose names, differ from what somebody typed by a few
   * letters, nearest first; none when one is called so. For a path into a set that nobody listed, what
   * is found by its last part. Takes some milliseconds.
   */
  near(typed: string): readonly FoundPackage[] {
    const wanted = parseSearchTerms(typed)?.exact
    if (wanted === undefined) return []
    const { length } = wanted
    const ofLengths = this.#ofLengths.all({ length, distance: distanceBound(length) })
    const spellings = spellingsSchema.parse(ofLengths).flatMap((row) => row.spellings.split(' '))
    if (spellings.includes(wanted)) return []
    const near = nearestOf(wanted, spellings.slice(0, mostCompared))
    if (near.length > 0) return near.flatMap((spelling) => this.find(spelling, 1))
    const lastDot = wanted.lastIndexOf('.')
    return lastDot === -1 ? [] : this.find(wanted.slice(lastDot + 1), fewFound)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }

  #readFacts(): IndexFacts {
    const row = this.#database.prepare('SELECT * FROM facts').get()
    const facts = factsSchema.parse(row)
    return {
      identity: facts.identity,
      revision: facts.revision,
      platforms: facts.platforms.split(' '),
      listedAtMs: facts.listed_at_ms,
      isProvisional: facts.is_provisional === 1,
    }
  }

  #read(id: number): FoundPackage {
    const row = packageSchema.parse(this.#package.get(id))
    const { name, attribute_path, version, description, platforms } = row
    return {
      name,
      attributePath: attribute_path,
      ...(version !== null && { version }),
      ...(description !== null && { description }),
      platforms: platforms.split(' '),
    }
  }
}
