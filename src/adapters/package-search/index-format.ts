import type { CacheKey } from '#core/request/cache-key.ts'
import { cacheKeyOf, type CanonicalValue } from '#core/request/cache-key.ts'

/** Raise it when the tables change, or what is listed of packages: older indexes then are nobody's. */
const indexFormat = 1

/** The key of everything but the set that decides what an index holds. */
export function indexViewKey(view: CanonicalValue): CacheKey {
  return cacheKeyOf({ indexFormat, view })
}

/** What an index says of itself. */
export interface IndexFacts {
  /** Of the pinned set. */
  readonly identity: string
  readonly revision: string
  /** Milliseconds since 1970. */
  readonly listedAtMs: number
}

/**
 * The tables of an index. Identifiers follow the length of names, so that the first of the rows that
 * full-text search gives in their order are those with the shortest names, and it need not find all:
 *
 *     packages   id, name, attribute_path, version, description
 *     words      words of names and descriptions, and what they begin with
 *     parts      every three letters of names
 *     facts      one row
 */
export const createTables = `
  CREATE TABLE packages (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    attribute_path TEXT NOT NULL,
    version TEXT,
    description TEXT
  );
  INSERT OR IGNORE INTO packages (name, attribute_path, version, description)
    SELECT name, attribute_path, version, description FROM listed ORDER BY length(name), name;
  CREATE VIRTUAL TABLE words USING fts5 (
    name, description, content='packages', content_rowid='id', prefix='1 2 3',
    tokenize="unicode61 remove_diacritics 2 tokenchars '+#'"
  );
  INSERT INTO words (words) VALUES ('rebuild');
  INSERT INTO words (words) VALUES ('optimize');
  CREATE VIRTUAL TABLE parts USING fts5 (
    name, content='packages', content_rowid='id', tokenize='trigram'
  );
  INSERT INTO parts (parts) VALUES ('rebuild');
  INSERT INTO parts (parts) VALUES ('optimize');
  CREATE TABLE facts (identity TEXT, revision TEXT, listed_at_ms INTEGER);
`
