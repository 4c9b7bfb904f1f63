import { loadSearch } from './load-search.ts'

const mostOffered = 3

/** On the page for addresses that lead nowhere: the pages that may be meant. */
export async function offerNearest(): Promise<void> {
  const place = document.querySelector('[data-not-found] main')
  if (place === null) return
  const search = await loadSearch()
  const found = search(readWords(location.pathname))
  const pages = new Map(found.map(({ page, href }) => [page, href.replace(/#.*/, '')]))
  if (pages.size === 0) return
  const list = document.createElement('ul')
  for (const [page, href] of [...pages].slice(0, mostOffered)) {
    const link = document.createElement('a')
    link.href = href
    link.textContent = page
    const item = document.createElement('li')
    item.append(link)
    list.append(item)
  }
  const lead = document.createElement('p')
  lead.textContent = 'Near what was asked for:'
  place.append(lead, list)
}

function readWords(path: string): string {
  const words = path.replace(/^\/docs\//, '').replace(/\.\w+$/, '')
  try {
    return decodeURIComponent(words)
  } catch {
    // Not UTF-8: as it is.
    return words
  }
}
