const units = ['KiB', 'MiB', 'GiB', 'TiB'] as const

// No storage is larger, and the numbers stay exact.
const mostBytes = 2 ** 50

/** What `parseByteSize` reads, for people. */
export const allowedByteSizes = 'a size like 500MiB or 50GiB, at most 1024TiB'

/** Bytes of `500MiB` or `50GiB`; `undefined` for anything else, as for a size that nothing has. */
export function parseByteSize(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,9}(?:\.\d{1,3})?) ?(KiB|MiB|GiB|TiB)$/i.exec(text) ?? []
  if (amount === undefined || unit === undefined) return undefined
  const power = units.findIndex((each) => each.toLowerCase() === unit.toLowerCase()) + 1
  const sizeBytes = Math.round(Number(amount) * 1024 ** power)
  return sizeBytes > 0 && sizeBytes <= mostBytes ? sizeBytes : undefined
}

/** `512 bytes`, `1.5 KiB`, `49.9 GiB`. */
export function formatByteSize(sizeBytes: number): string {
  if (sizeBytes < 1024) return `${Math.round(sizeBytes)} bytes`
  let power = Math.min(units.length, Math.floor(Math.log2(sizeBytes) / 10))
  // 1023.96 KiB would be written as 1024.0 KiB.
  if (power < units.length && sizeBytes / 1024 ** power >= 1023.95) power += 1
  return `${(sizeBytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`
}
