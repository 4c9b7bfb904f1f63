/** The 32 bytes of a SHA-256 hash as 64 hex digits. */
export type Sha256Hex = string

const base32Digits = '0123456789abcdfghijklmnpqrsvwxyz'

/**
 * Reads a SHA-256 hash as Nix writes them: `sha256-<base64>` (SRI), or `sha256:` before hex digits,
 * base 64 or Nix's own base 32. `undefined` when the text is none of these.
 */
export function parseSha256Hash(text: string): Sha256Hex | undefined {
  const match = /^sha256([-:])(\S+)$/.exec(text)
  if (!match) return undefined
  const [, separator, hash = ''] = match
  if (/^[A-Za-z0-9+/]{43}=$/.test(hash)) return Buffer.from(hash, 'base64').toString('hex')
  if (separator === '-') return undefined
  if (/^[0-9a-f]{64}$/.test(hash)) return hash
  return /^[0-9a-df-np-sv-z]{52}$/.test(hash) ? hexOfBase32(hash) : undefined
}

/** Nix writes the last five bits first (libutil/hash.cc). */
function hexOfBase32(text: string): Sha256Hex | undefined {
  let value = 0n
  for (const digit of text) value = value * 32n + BigInt(base32Digits.indexOf(digit))
  // 52 digits hold 260 bits: the first digit is 0 or 1.
  if (value >> 256n !== 0n) return undefined
  const bytes = Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
  return Buffer.from(bytes.toReversed()).toString('hex')
}
