/**
 * The CRC-32 of bytes that stand one after the other, from the CRCs of both parts and the size of the
 * second. Appending zero bytes to the first part is a linear map over the bits of its CRC, and the CRCs
 * of both parts then add up by exclusive or (as in zlib's crc32_combine).
 */
export function combineCrc32(first: number, second: number, secondSizeBytes: number): number {
  let crc = first
  let remaining = secondSizeBytes
  for (let power = 0; remaining > 0; power += 1) {
    if (remaining % 2 === 1) crc = apply(zeroBytesMap(power), crc)
    remaining = Math.floor(remaining / 2)
  }
  return (crc ^ second) >>> 0
}

/** A linear map over 32 bits: what it makes of each single bit, lowest first. */
type BitMap = readonly number[]

// The polynomial of RFC 1952, section 8, lowest bit first.
const polynomial = 0xedb88320

/** What one zero bit makes of a CRC. */
const zeroBitMap: BitMap = [polynomial, ...Array.from({ length: 31 }, (_, bit) => 1 << bit)]

// By power of two: of 1, 2, 4, … zero bytes. Sizes are safe integers, so at most 53 are ever made.
const zeroBytesMaps: BitMap[] = [square(square(square(zeroBitMap)))]

function zeroBytesMap(power: number): BitMap {
  const known = zeroBytesMaps[power]
  if (known !== undefined) return known
  const map = square(zeroBytesMap(power - 1))
  zeroBytesMaps[power] = map
  return map
}

function square(map: BitMap): BitMap {
  return map.map((image) => apply(map, image))
}

function apply(map: BitMap, bits: number): number {
  let image = 0
  let rest = bits
  for (let bit = 0; rest !== 0; bit += 1) {
    if ((rest & 1) === 1) image ^= map[bit]!
    rest >>>= 1
  }
  return image
}
