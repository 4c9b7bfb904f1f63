import { loadSearch, type FoundPlace } from './load-search.ts'
import { cutSnippet, markMatches, type Piece } from './snippet.ts'

// As many as one looks through.
const mostShown = 12

/** The field in the header: results are links below it, which the arrow keys reach. */
export function setUpSearch(): void {
  const form = document.querySelector<HTMLFormElement>('form.search')
  const field = form?.querySelector('input')
  const status = form?.querySelector('[role=status]')
  const list = form?.querySelector('ul')
  if (!form || !field || !status || !list) return

  const close = () => show('', [])

  function show(text: string, found: readonly FoundPlace[]): void {
    status!.textContent = text
    list!.replaceChildren(...found.slice(0, mostShown).map(formatResult))
    form!.classList.toggle('open', text !== '')
  }

  async function search(): Promise<void> {
    const typed = field!.value
    if (typed.trim() === '') return close()
    try {
      const found = (await loadSearch())(typed)
      // Whoever types on is answered for what stands there then.
      if (field!.value === typed) show(describe(found.length), found)
    } catch (error) {
      show(`The search does not work now: ${String(error)}`, [])
    }
  }

  function move(step: 1 | -1): void {
    const stops: readonly HTMLElement[] = [field!, ...list!.querySelectorAll('a')]
    const at = stops.findIndex((stop) => stop === document.activeElement)
    stops[Math.min(Math.max(at + step, 0), stops.length - 1)]?.focus()
  }

  field.addEventListener('focus', () => {
    // Whoever comes here is about to search; a failure is told when there is something to search for.
    loadSearch().catch(() => undefined)
    if (list.childElementCount === 0) void search()
  })
  field.addEventListener('input', () => void search())
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    // Some are faster than the answer.
    void search().then(() => list.querySelector('a')?.click())
  })
  form.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown') move(1)
    else if (event.key === 'ArrowUp') move(-1)
    else if (event.key === 'Escape') {
      field.value = ''
      field.focus()
      close()
    } else return
    event.preventDefault()
  })
  // A click on a result focuses nothing in some browsers, and must find it still there.
  form.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget !== null && !form.contains(relatedTarget as Node)) close()
  })
  document.addEventListener('pointerdown', ({ target }) => {
    if (!form.contains(target as Node)) close()
  })
  // A section of this page is no new page.
  list.addEventListener('click', close)
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping()) return
    event.preventDefault()
    field.focus()
    field.select()
  })
  form.hidden = false
}

function isTyping(): boolean {
  return document.activeElement?.matches('input, select, textarea') === true
}

function describe(count: number): string {
  if (count === 0) return 'Nothing found'
  return count === 1
    ? '1 section'
    : `${count} sections${count > mostShown ? `, the best ${mostShown}` : ''}`
}

function formatResult({ page, heading, text, words, href }: FoundPlace): HTMLLIElement {
  const link = document.createElement('a')
  link.href = href
  const title = document.createElement('strong')
  title.append(...markMatches(heading, words).map(formatPiece))
  const place = document.createElement('span')
  place.textContent = page === heading ? '' : page
  const snippet = document.createElement('p')
  snippet.append(...cutSnippet(text, words).map(formatPiece))
  link.append(title, ' ', place, snippet)
  const item = document.createElement('li')
  item.append(link)
  return item
}

function formatPiece({ text, isMatch }: Piece): Node {
  if (!isMatch) return document.createTextNode(text)
  const mark = document.createElement('mark')
  mark.textContent = text
  return mark
}
