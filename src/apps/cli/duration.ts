const secondMs = 1000
const unitsMs = new Map([
  ['w', 7 * 24 * 3600 * secondMs],
  ['d', 24 * 3600 * secondMs],
  ['h', 3600 * secondMs],
  ['m', 60 * secondMs],
  ['s', secondMs],
])

// Ten years: what is older than that has not been stored here.
const mostMs = 3650 * 24 * 3600 * secondMs

/** What `parseDuration` reads, for people. */
export const allowedDurations = 'a duration like 12h or 30d, at most 3650d'

/** Milliseconds of `45s`, `30m`, `12h`, `30d` or `2w`; `undefined` for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  const unitMs = unitsMs.get(unit)
  if (amount === undefined || unitMs === undefined) return undefined
  const durationMs = Number(amount) * unitMs
  return durationMs <= mostMs ? durationMs : undefined
}

/** How long something was, or is ago, in its largest unit but weeks: `31d`, `5h`, `12m`, `3s`. */
export function formatAge(durationMs: number): string {
  for (const [unit, unitMs] of unitsMs)
    if (unit !== 'w' && durationMs >= unitMs) return `${Math.floor(durationMs / unitMs)}${unit}`
  return `${Math.max(0, Math.floor(durationMs / secondMs))}s`
}
