const units = ['B', 'kB', 'MB', 'GB', 'TB']

/** `1.2 MB`: decimal units, as docker and browsers count. */
export function formatBytes(sizeBytes: number): string {
  const power =
    sizeBytes < 1 ? 0 : Math.min(Math.floor(Math.log10(sizeBytes) / 3), units.length - 1)
  const value = sizeBytes / 1000 ** power
  const digits = power === 0 || value >= 99.95 ? 0 : 1
  return `${value.toFixed(digits)} ${units[power]}`
}

/** `7 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `3 minutes ago`: the largest unit alone. */
export function formatAgo(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1000))
  if (seconds < 10) return 'just now'
  const steps: readonly (readonly [number, string])[] = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
    [1, 'second'],
  ]
  const [size, unit] = steps.find(([size]) => seconds >= size)!
  return `${formatCount(Math.floor(seconds / size), unit)} ago`
}

/** `1 layer`, `12 layers`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
