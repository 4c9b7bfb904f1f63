import type { CacheKey } from '#core/request/cache-key.ts'
import { cacheKeyOf, type CanonicalValue } from '#core/request/cache-key.ts'

/** Raise it when the tables change, or what is listed of packages: older indexes then are nobody's. */
const indexFormat = 4

/** The key of everything but the set that decides what an index of a source holds. */
export function indexViewKey(
  source: string,
  { platforms, view }: { readonly platforms: readonly string[]; readonly view: CanonicalValue },
): CacheKey {
  return cacheKeyOf({ indexFormat, source, platforms, view })
}

/** Of what and when an index is made. */
export interface IndexOrigin {
  /** Of the pinned set. */
  readonly identity: string
  readonly revision: string
  /** Milliseconds since 1970. */
  readonly listedAtMs: number
}

/** What an index says of itself. */
export interface IndexFacts extends IndexOrigin {
  /** Whose packages are listed: `linux/amd64`. */
  readonly platforms: readonly string[]
  /** Others could not be listed for a reason that may pass, so that the set has to be listed again. */
  readonly isProvisional: boolean
}

/** What is listed, until the tables are made of it. */
export const createListed = `
  CREATE TEMP TABLE listed (
    number INTEGER PRIMARY KEY, name, attribute_path, version, description, platform
  )
`

export const insertListed = `
  INSERT INTO listed (name, attribute_path, version, description, platform) VALUES (?, ?, ?, ?, ?)
`

// In what is shorter, or begins with a digit, dots belong to versions: `python3.11`, `libssl1.1-dev`.
const lastPartPattern = /\.([a-z][^.]{2,})$/

/** What people call a package in a set: `numpy` of `python3packages.numpy`. The tables are made with it. */
export function lastPart(name: string): string | null {
  return lastPartPattern.exec(name)?.[1] ?? null
}

/**
 * The tables of an index. Identifiers follow the length of names, so that the first of the rows that
 * full-text search gives in their order are those with the shortest names, and it need not find all:
 *
 *     packages   id, name, attribute_path, version, description, platforms
 *     words      words of names and descriptions, and what they begin with
 *     parts      every three letters of names
 *     lengths    what people may mean to type of one length, with spaces between: names, and last parts of names
 *     facts      one row
 */
export const createTables = `
  CREATE TABLE packages (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    attribute_path TEXT NOT NULL,
    version TEXT,
    description TEXT,
    platforms TEXT NOT NULL
  );
  INSERT INTO packages (name, attribute_path, version, description, platforms)
    SELECT name, attribute_path, version, description, platforms FROM (
      -- The other columns are those of the row with the lowest number.
      SELECT *, min(number), group_concat(platform, ' ' ORDER BY number) AS platforms
        FROM listed GROUP BY name
    ) ORDER BY length(name), name;
  CREATE TABLE lengths (length INTEGER PRIMARY KEY, spellings TEXT NOT NULL);
  INSERT INTO lengths
    SELECT length(spelling), group_concat(spelling, ' ') FROM (
      SELECT name AS spelling FROM packages
      UNION SELECT part FROM (SELECT last_part(name) AS part FROM packages) WHERE part IS NOT NULL
    ) GROUP BY length(spelling);
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
  CREATE TABLE facts (
    identity TEXT, revision TEXT, platforms TEXT, listed_at_ms INTEGER, is_provisional INTEGER
  );
`
