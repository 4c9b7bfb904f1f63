import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { ListedPackage } from '#engine/ports/package-search.ts'
import {
  createListed,
  createTables,
  insertListed,
  lastPart,
  type IndexFacts,
} from './index-format.ts'

/** Writes one index: finishing one of 60,000 packages takes some seconds, in which nothing else runs. */
export class IndexWriter implements Disposable {
  readonly #database: DatabaseSync
  readonly #insert: StatementSync

  /** `path` must not exist. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path)
    // Nobody reads the file before it has its name, and what a crash leaves is nobody's.
    this.#database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF')
    this.#database.exec('PRAGMA temp_store = MEMORY')
    this.#database.function('last_part', (name) => lastPart(String(name)))
    this.#database.exec(createListed)
    this.#insert = this.#database.prepare(insertListed)
  }

  /** Packages of a platform, each once; those of the first platform come first. */
  add(platform: string, packages: readonly ListedPackage[]): void {
    this.#database.exec('BEGIN')
    for (const { name, attributePath, version, description } of packages)
      this.#insert.run(name, attributePath, version ?? null, description ?? null, platform)
    this.#database.exec('COMMIT')
  }

  /** Completes the file and gives the number of packages; nothing can be added then. */
  finish({ identity, revision, platforms, listedAtMs, isProvisional }: IndexFacts): number {
    this.#database.exec(createTables)
    this.#database
      .prepare('INSERT INTO facts VALUES (?, ?, ?, ?, ?)')
      .run(identity, revision, platforms.join(' '), listedAtMs, isProvisional ? 1 : 0)
    const row = this.#database.prepare('SELECT count(*) AS count FROM packages').get()
    return Number(row?.['count'])
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}
