import { parseDigest, type Digest } from './digest.ts'
import type { RegistryErrorCode } from './error-codes.ts'

/** What a path under `/v2` asks for (distribution-spec, section "API"). */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: Reference }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'upload'; readonly name: string }
  | {
      readonly kind: 'malformed'
      readonly code: RegistryErrorCode
      readonly message: string
    }
  | { readonly kind: 'unknown' }

export type Reference =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'digest'; readonly digest: Digest }

// Clients and other registries limit a repository name to 255 bytes; bounded before any pattern runs.
const maxNameBytes = 255
const namePattern =
  /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/**
 * Reads the path of a request, without its query. Total: any text gives a route. The name may
 * hold components called `manifests`, `blobs` or `tags`, so a path is read from its end.
 */
export function parseRoute(path: string): Route {
  if (path === '/v2' || path === '/v2/') return { kind: 'base' }
  if (!path.startsWith('/v2/')) return { kind: 'unknown' }
  const segments = decodeSegments(path.slice('/v2/'.length))
  if (segments === undefined) {
    return malformed('NAME_INVALID', 'the path holds a percent escape that is not UTF-8')
  }
  const last = segments.at(-1) ?? ''
  const name = segments.slice(0, -2).join('/')
  switch (segments.at(-2)) {
    case 'manifests':
      return name === '' ? { kind: 'unknown' } : manifestRoute(name, last)
    case 'blobs':
      if (name === '') return { kind: 'unknown' }
      return last === 'uploads' ? named(name, { kind: 'upload', name }) : blobRoute(name, last)
    case 'tags':
      if (name === '' || last !== 'list') return { kind: 'unknown' }
      return named(name, { kind: 'tags', name })
    case 'uploads':
      if (segments.at(-3) !== 'blobs' || segments.length < 4) return { kind: 'unknown' }
      return named(segments.slice(0, -3).join('/'), {
        kind: 'upload',
        name: segments.slice(0, -3).join('/'),
      })
    default:
      return { kind: 'unknown' }
  }
}

/** Whether the text is a repository name that the distribution specification allows. */
export function isRepositoryName(name: string): boolean {
  return name.length <= maxNameBytes && namePattern.test(name)
}

/** Whether the text is a tag that the distribution specification allows. */
export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

function decodeSegments(path: string): readonly string[] | undefined {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

function manifestRoute(name: string, text: string): Route {
  if (text.includes(':')) {
    const digest = parseDigest(text)
    if (digest === undefined) return invalidDigest(text)
    return named(name, { kind: 'manifest', name, reference: { kind: 'digest', digest } })
  }
  if (!isTag(text)) {
    return malformed(
      'MANIFEST_INVALID',
      `${quote(text)} is not a tag: up to 128 letters, digits, dots, dashes and underscores, not starting with a dot or a dash`,
    )
  }
  return named(name, { kind: 'manifest', name, reference: { kind: 'tag', tag: text } })
}

function blobRoute(name: string, text: string): Route {
  const digest = parseDigest(text)
  return digest === undefined ? invalidDigest(text) : named(name, { kind: 'blob', name, digest })
}

function named(name: string, route: Route): Route {
  if (name.length > maxNameBytes) {
    return malformed(
      'NAME_INVALID',
      `the name has ${name.length} characters, at most ${maxNameBytes} are allowed`,
    )
  }
  if (!namePattern.test(name)) {
    return malformed(
      'NAME_INVALID',
      `${quote(name)} is not a repository name: lower-case letters and digits, joined by single dots, underscores or dashes, components separated by slashes`,
    )
  }
  return route
}

function invalidDigest(text: string): Route {
  return malformed(
    'DIGEST_INVALID',
    `${quote(text)} is not a digest: sha256: and 64 lower-case hex digits`,
  )
}

function malformed(code: RegistryErrorCode, message: string): Route {
  return { kind: 'malformed', code, message }
}

/** Outside text inside a message: short, on one line. */
function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return JSON.stringify(shown)
}
