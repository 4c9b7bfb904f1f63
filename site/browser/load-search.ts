import type { FoundSection } from './section-search.ts'

/** Where a found section is, for a browser. */
export interface FoundPlace extends FoundSection {
  readonly href: string
}

type Search = (typed: string) => readonly FoundPlace[]

let loading: Promise<Search> | undefined

/** Brings the index and the program that reads it, once; again after a failure. */
export function loadSearch(): Promise<Search> {
  loading ??= bringSearch().catch((error: unknown) => {
    loading = undefined
    throw error
  })
  return loading
}

async function bringSearch(): Promise<Search> {
  const { index = '' } = document.querySelector<HTMLElement>('[data-index]')?.dataset ?? {}
  const address = new URL(index, document.baseURI)
  const [{ openIndex }, response] = await Promise.all([
    import('./section-search.ts'),
    fetch(address),
  ])
  if (!response.ok) throw new Error(`${address.pathname} is answered with ${response.status}`)
  const find = openIndex(await response.text())
  return (typed) =>
    find(typed).map((found) => ({ ...found, href: new URL(found.address, address).href }))
}
