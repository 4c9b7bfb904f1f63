import type { Digest } from './digest.ts'

/** The strong entity tag of bytes with this digest. */
export function formatEntityTag(digest: Digest): string {
  return `"${digest}"`
}

/** Whether `If-None-Match` names the tag: a list, weak or strong, or `*` (RFC 9110, section 13.1.2). */
export function matchesEntityTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((candidate) => {
    const text = candidate.trim()
    return text === '*' || text.replace(/^W\//, '') === tag
  })
}

/** Whether a `Range` may be honoured: no `If-Range`, or one that is this strong tag (RFC 9110, section 13.1.5). */
export function allowsRange(ifRange: string | undefined, tag: string): boolean {
  return ifRange === undefined || ifRange.trim() === tag
}
