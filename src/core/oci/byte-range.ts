/** Both ends are included, in bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export type RangeOutcome =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'unsatisfiable' }

/**
 * Reads a `Range` header (RFC 9110, section 14). What is not one well-formed range of bytes is
 * ignored, as the RFC allows, and so are several ranges.
 */
export function parseByteRange(header: string | undefined, sizeBytes: number): RangeOutcome {
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header ?? '')
  const [first = '', last = ''] = match?.slice(1) ?? []
  if (match === null || (first === '' && last === '')) return { kind: 'whole' }
  if (first === '') return suffix(Number(last), sizeBytes)
  const start = Number(first)
  const end = last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  if (last !== '' && Number(last) < start) return { kind: 'whole' }
  if (start >= sizeBytes) return { kind: 'unsatisfiable' }
  return { kind: 'part', range: { start, end } }
}

function suffix(length: number, sizeBytes: number): RangeOutcome {
  if (length === 0 || sizeBytes === 0) return { kind: 'unsatisfiable' }
  return { kind: 'part', range: { start: Math.max(0, sizeBytes - length), end: sizeBytes - 1 } }
}
