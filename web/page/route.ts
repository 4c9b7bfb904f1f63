/** What an address of the page shows. */
export type Route =
  | { readonly kind: 'compose' }
  | { readonly kind: 'builds' }
  | { readonly kind: 'build'; readonly id: string }
  | { readonly kind: 'image'; readonly name: string }
  | { readonly kind: 'unknown' }

export function parseRoute(path: string): Route {
  const [first = '', ...others] = path.slice(1).replace(/\/$/, '').split('/').map(decode)
  const rest = others.join('/')
  if (first === '') return { kind: 'compose' }
  if (first === 'builds') return rest === '' ? { kind: 'builds' } : { kind: 'build', id: rest }
  if (first === 'images' && rest !== '') return { kind: 'image', name: rest }
  return { kind: 'unknown' }
}

export function formatBuildPath(id: string): string {
  return `/builds/${encodeURIComponent(id)}`
}

/** `tag` and `platform` are left out where the service's own choice is meant. */
export function formatImagePath(name: string, tag = 'latest', platform?: string): string {
  const query = new URLSearchParams({
    ...(tag !== 'latest' && { tag }),
    ...(platform !== undefined && { platform }),
  }).toString()
  const path = name.split('/').map(encodeURIComponent).join('/')
  return `/images/${path}${query === '' ? '' : `?${query}`}`
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    // Not UTF-8: shown as it is.
    return segment
  }
}
