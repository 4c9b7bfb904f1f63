import MiniSearch from 'minisearch'
import type { SearchSection } from '../search-sections.ts'

/** A section, and the words in it that stand for what was typed: in lower case. */
export interface FoundSection extends SearchSection {
  readonly words: readonly string[]
}

/** What of the sections fits to what somebody typed; the best first. */
export type SectionSearch = (typed: string) => readonly FoundSection[]

const options = {
  fields: ['heading', 'page', 'text'],
  storeFields: ['address', 'page', 'heading', 'text'],
}

const splitWords = MiniSearch.getDefault('tokenize') as (text: string) => string[]

/** Names of settings, which are words and each one word too. */
const compoundName = /[\p{L}\p{N}]+(?:_[\p{L}\p{N}]+)+/gu

/** What most questions have, and most sections. */
const stopWords = new Set(
  `a an and are be by can could do does for from get give how i if in is it its me my not of on one or
  should so than that the their them then there they this to use used using want was we what when where
  which who why will with would you your`.split(/\s+/),
)

/** The index of all sections, with their texts, as JSON. */
export function formatIndex(sections: readonly SearchSection[]): string {
  const index = new MiniSearch({ ...options, tokenize: splitForIndex })
  index.addAll(sections.map((section, id) => ({ ...section, id })))
  return JSON.stringify(index)
}

/** A search of an index from `formatIndex`. */
export function openIndex(json: string): SectionSearch {
  const index = MiniSearch.loadJSON(json, {
    ...options,
    searchOptions: {
      boost: { heading: 3, page: 2 },
      // Most people ask how, and fewer ask why or how fast.
      boostDocument: (_id, _word, stored) =>
        ['Decisions', 'Performance'].includes(String(stored?.['page'])) ? 0.3 : 1,
      prefix: true,
      // Short words have too many neighbours.
      fuzzy: (word) => (word.length > 4 ? 0.2 : false),
    },
  })
  return (typed) => {
    const whole = splitQuery(typed, splitWholeNames)
    const parts = splitQuery(typed, splitWords)
    const search = (words: readonly string[], combineWith: 'AND' | 'OR') =>
      index.search(words.join(' '), { combineWith, tokenize: (text) => text.split(' ') })
    // The best first: whoever asks a whole question uses words that no section has.
    const all = [...search(whole, 'AND'), ...search(parts, 'AND'), ...search(whole, 'OR')]
    const found = [...Map.groupBy(all, ({ id }) => id).values()].map(([best]) => best!)
    return found.map(({ address, page, heading, text, terms: words }) => ({
      address,
      page,
      heading,
      text,
      words,
    }))
  }
}

function splitForIndex(text: string): string[] {
  return [...splitWords(text), ...(text.match(compoundName) ?? [])]
}

function splitWholeNames(text: string): readonly string[] {
  return [...splitWords(text.replace(compoundName, ' ')), ...(text.match(compoundName) ?? [])]
}

/** Who asks with stop words only has not typed on yet. */
function splitQuery(typed: string, split: (text: string) => readonly string[]): readonly string[] {
  const words = split(typed)
  const telling = words.filter((word) => word !== '' && !stopWords.has(word.toLowerCase()))
  return telling.length > 0 ? telling : words
}
