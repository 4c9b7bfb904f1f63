import { createHash, type Hash } from 'node:crypto'

declare const digestBrand: unique symbol

/** `sha256:` and 64 lower-case hex digits: the name of stored bytes. Only this file makes one. */
export type Digest = string & { readonly [digestBrand]: true }

const sha256Pattern = /^sha256:[0-9a-f]{64}$/

/** Reads a digest; `undefined` when the text is not a SHA-256 digest (OCI image-spec, descriptor.md#digests). */
export function parseDigest(text: string): Digest | undefined {
  return sha256Pattern.test(text) ? (text as Digest) : undefined
}

/** The digest of bytes that are in memory. */
export function digestOf(bytes: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest
}

/** Ends a running SHA-256 and names what went through it. The hash must be a `sha256` one. */
export function digestFromHash(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}` as Digest
}

/** The 64 hex digits after `sha256:`. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length)
}
