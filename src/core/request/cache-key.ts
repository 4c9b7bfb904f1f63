import { createHash } from 'node:crypto'

declare const cacheKeyBrand: unique symbol

/** 64 hex digits: SHA-256 over the canonical JSON of everything that decides the content. */
export type CacheKey = string & { readonly [cacheKeyBrand]: true }

export type CanonicalValue =
  | string
  | number
  | boolean
  | null
  | readonly CanonicalValue[]
  | { readonly [name: string]: CanonicalValue }

/** The key of a value; equal values give equal keys whatever the order of their members. */
export function cacheKeyOf(value: CanonicalValue): CacheKey {
  return createHash('sha256').update(formatCanonicalJson(value)).digest('hex') as CacheKey
}

/** Reads a key that was stored under its own name; `undefined` when the text is none. */
export function parseCacheKey(text: string): CacheKey | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as CacheKey) : undefined
}

/** JSON without white space, members sorted by name. */
export function formatCanonicalJson(value: CanonicalValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  // At once where there is nothing to sort: the root layer of an image has thousands of short lists.
  if (isList(value))
    return value.some((member) => typeof member === 'object' && member !== null)
      ? `[${value.map(formatCanonicalJson).join(',')}]`
      : JSON.stringify(value)
  const members = Object.keys(value)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${formatCanonicalJson(value[name] ?? null)}`)
  return `{${members.join(',')}}`
}

function isList(value: CanonicalValue): value is readonly CanonicalValue[] {
  return Array.isArray(value)
}
