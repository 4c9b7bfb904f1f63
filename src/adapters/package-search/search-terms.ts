import { foldAttributeName } from '#core/nix/attribute-path.ts'

/** What people type into a search field is shorter. */
const mostCharacters = 200

/** Each costs a look-up; more of them find nothing new. */
const mostWords = 6

/** Six of them would be looked up in a third of all rows each: 20 ms. */
const mostLetters = 2

/** In parts, a word costs a look-up for each of its letters. It is found by less of it, too. */
const longestWord = 32

/** What the tables of an index take for letters of a word, see index-format.ts. */
const wordPattern = /[\p{L}\p{N}\p{Co}+#]+/gu

/** What to look for, in the language of SQLite's full-text search. Nobody's words have a meaning in it. */
export interface SearchTerms {
  /** The name that they spell. */
  readonly exact: string
  /** For `words`: names that begin with them, the last of them unfinished. */
  readonly beginning: string
  /** Names that have all of them: in `parts`, which knows no words of less than three letters, or in `words`. */
  readonly inNames: { readonly table: 'parts' | 'words'; readonly terms: string } | undefined
  /** For `words`: names and descriptions with words that begin with them. */
  readonly anywhere: string
}

/** Reads what somebody types; `undefined` when there are no words in it. */
export function parseSearchTerms(typed: string): SearchTerms | undefined {
  const text = typed.slice(0, mostCharacters).normalize('NFC').toLowerCase()
  const words = readWords(text)
  if (words.length === 0) return undefined
  const folded = words.map((word) => foldAttributeName(word).slice(0, longestWord))
  return {
    exact: spelledName(text) ?? folded.join('-'),
    beginning: `name : ^ ${folded.map(quote).join(' + ')} *`,
    inNames: termsInNames(folded),
    anywhere: words.map((word, index) => beginningAnywhere(word, folded[index]!)).join(' AND '),
  }
}

function readWords(text: string): readonly string[] {
  const words = new Set(text.match(wordPattern)?.map((word) => word.slice(0, longestWord)))
  const letters = [...words].filter((word) => word.length === 1)
  for (const letter of letters.slice(mostLetters)) words.delete(letter)
  return [...words].slice(0, mostWords)
}

function beginningAnywhere(word: string, folded: string): string {
  const anywhere = `${quote(word)} *`
  // Names are folded, descriptions are not.
  return folded === word ? anywhere : `(${anywhere} OR name : ${quote(folded)} *)`
}

/** A name as it stands in `docker pull`, or an attribute path. */
function spelledName(text: string): string | undefined {
  const name = text.trim().split('.').map(foldAttributeName).join('.')
  return /\s/.test(name) ? undefined : name
}

/** Long and short words together are for `anywhere`: joining both tables takes too long. */
function termsInNames(folded: readonly string[]): SearchTerms['inNames'] {
  const shortWords = folded.filter((word) => word.length < 3)
  if (shortWords.length === 0) return { table: 'parts', terms: folded.map(quote).join(' AND ') }
  if (shortWords.length === folded.length)
    return { table: 'words', terms: folded.map((word) => `name : ${quote(word)} *`).join(' AND ') }
  return undefined
}

/** A string of the language, in which only the quotation mark stands for anything. */
function quote(word: string): string {
  return `"${word.replaceAll('"', '""')}"`
}
