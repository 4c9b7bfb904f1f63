import { OperatingError } from '#engine/operating-error.ts'

/**
 * Nix's wire format: numbers are 64 bits, little endian; a string is its length, its bytes and zeros up
 * to a multiple of eight; a list is its length and its members (libutil/serialise.hh).
 *
 * Something that is read from it, written as a generator: it yields how many bytes it needs next and
 * is given them. So one description serves whole answers and those that come in pieces, and what has
 * arrived already is read without waiting.
 */
export type Reading<T> = Generator<number, T, Buffer>

/** Store paths have 255 bytes; messages and signatures of caches are the rest. */
const mostStringBytes = 4 * 1024 * 1024

/** No store has as many paths. */
const mostMembers = 1_000_000

const wordBytes = 8

export function* readNumber(): Reading<number> {
  const word = yield wordBytes
  const number = word.readUInt32LE(0) + word.readUInt32LE(4) * 2 ** 32
  return number <= Number.MAX_SAFE_INTEGER ? number : refuse('a number beyond all sizes')
}

export function* readBoolean(): Reading<boolean> {
  return (yield* readNumber()) !== 0
}

export function* readString(): Reading<string> {
  const sizeBytes = yield* readNumber()
  if (sizeBytes > mostStringBytes) return refuse(`a string of ${sizeBytes} bytes`)
  if (sizeBytes === 0) return ''
  const padded = yield sizeBytes + paddingOf(sizeBytes)
  return padded.toString('utf8', 0, sizeBytes)
}

export function* readList<T>(readMember: () => Reading<T>): Reading<readonly T[]> {
  const count = yield* readNumber()
  if (count > mostMembers) return refuse(`a list of ${count} members`)
  const members: T[] = []
  while (members.length < count) members.push(yield* readMember())
  return members
}

export function formatNumber(value: number): Buffer {
  const word = Buffer.alloc(wordBytes)
  word.writeBigUInt64LE(BigInt(value))
  return word
}

export function formatString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([formatNumber(bytes.length), bytes, Buffer.alloc(paddingOf(bytes.length))])
}

export function formatList(members: readonly string[]): Buffer {
  return Buffer.concat([formatNumber(members.length), ...members.map(formatString)])
}

function paddingOf(sizeBytes: number): number {
  return -sizeBytes & (wordBytes - 1)
}

function refuse(what: string): never {
  throw new OperatingError('NIX_FAILED', `Nix sent ${what}`)
}
