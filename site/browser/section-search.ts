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

/** The index of all sections, with their texts, as JSON. */
export function formatIndex(sections: readonly SearchSection[]): string {
  const index = new MiniSearch(options)
  index.addAll(sections.map((section, id) => ({ ...section, id })))
  return JSON.stringify(index)
}

/** A search of an index from `formatIndex`. */
export function openIndex(json: string): SectionSearch {
  const index = MiniSearch.loadJSON(json, {
    ...options,
    searchOptions: {
      boost: { heading: 3, page: 2 },
      // Most people ask how, and fewer ask why.
      boostDocument: (_id, _word, stored) => (stored?.['page'] === 'Decisions' ? 0.3 : 1),
      prefix: true,
      // Short words have too many neighbours.
      fuzzy: (word) => (word.length > 4 ? 0.2 : false),
    },
  })
  return (typed) => {
    const all = index.search(typed, { combineWith: 'AND' })
    // Whoever asks a whole question uses words that no section has.
    const found = all.length > 0 ? all : index.search(typed)
    return found.map(({ address, page, heading, text, terms: words }) => ({
      address,
      page,
      heading,
      text,
      words,
    }))
  }
}
