import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import type { ListedPackage } from '#engine/ports/package-search.ts'
import type { IndexFacts } from './index-format.ts'
import { parseSearchTerms } from './search-terms.ts'

const factsSchema = z.object({
  identity: z.string(),
  revision: z.string(),
  listed_at_ms: z.number(),
})
const idsSchema = z.array(z.object({ id: z.number() }))
const packageSchema = z.object({
  name: z.string(),
  attribute_path: z.string(),
  version: z.string().nullable(),
  description: z.string().nullable(),
})

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
      this.#package = this.#database.prepare(
        'SELECT name, attribute_path, version, description FROM packages WHERE id = ?',
      )
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  /**
   * Packages that have all words of what somebody typed: the one that is called so, names that begin
   * with it, names that have the words, then names and descriptions; each time the shortest names
   * first. Takes some milliseconds.
   */
  find(typed: string, most: number): readonly ListedPackage[] {
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

  [Symbol.dispose](): void {
    this.#database.close()
  }

  #readFacts(): IndexFacts {
    const row = this.#database.prepare('SELECT * FROM facts').get()
    const { identity, revision, listed_at_ms: listedAtMs } = factsSchema.parse(row)
    return { identity, revision, listedAtMs }
  }

  #read(id: number): ListedPackage {
    const { name, attribute_path, version, description } = packageSchema.parse(
      this.#package.get(id),
    )
    return {
      name,
      attributePath: attribute_path,
      ...(version !== null && { version }),
      ...(description !== null && { description }),
    }
  }
}
