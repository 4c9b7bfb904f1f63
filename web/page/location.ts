import { useEffect, useState } from 'preact/hooks'

/** Goes to another address of the page, as a link does. */
export function navigate(address: string): void {
  history.pushState(null, '', address)
  dispatchEvent(new PopStateEvent('popstate'))
}

/** Changes the query of the address without a new entry in the history: what is shown stays. */
export function replaceQuery(query: string): void {
  history.replaceState(null, '', `${location.pathname}${query === '' ? '' : `?${query}`}`)
}

/** Path and query of an address that was gone to. */
export interface Visit {
  readonly address: string
  /** Counts from 0: a link to where somebody is already begins anew there. */
  readonly number: number
}

/** What is to be shown. Links within the page are followed without loading it again. */
export function useVisit(): Visit {
  const [visit, setVisit] = useState<Visit>(() => ({ address: readAddress(), number: 0 }))
  useEffect(() => {
    const update = () => setVisit(({ number }) => ({ address: readAddress(), number: number + 1 }))
    addEventListener('popstate', update)
    document.addEventListener('click', followLink)
    return () => {
      removeEventListener('popstate', update)
      document.removeEventListener('click', followLink)
    }
  }, [])
  return visit
}

function readAddress(): string {
  return location.pathname + location.search
}

function followLink(event: MouseEvent): void {
  const link = (event.target as Element).closest('a')
  const isPlain =
    event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
  if (link === null || !isPlain || event.defaultPrevented) return
  if (link.target !== '' || link.origin !== location.origin) return
  // An anchor in what is shown, and what the server answers with other pages.
  if (link.hash !== '' || !isOfPage(link.pathname)) return
  event.preventDefault()
  navigate(link.pathname + link.search)
}

function isOfPage(path: string): boolean {
  return path === '/' || /^\/(builds|images)(\/|$)/.test(path)
}
