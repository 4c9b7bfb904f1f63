import { foldAttributeName } from './attribute-path.ts'

/** More suggestions than this help nobody. */
const mostNames = 3

/**
 * The names that somebody who typed `wanted` most likely meant, nearest first and at most three.
 * Names are given folded, as a request spells them.
 */
export function nearNames(wanted: string, names: Iterable<string>): readonly string[] {
  const target = foldAttributeName(wanted)
  const bound = distanceBound(target)
  const near = new Map<string, Nearness>()
  for (const name of names) {
    // A fold makes no name shorter by more than the leading underscore.
    if (name.length > target.length + bound + 1) continue
    const folded = foldAttributeName(name)
    const distance = editDistance(target, folded, bound)
    if (distance !== undefined && folded !== '')
      near.set(folded, nearness(target, folded, distance))
  }
  return [...near]
    .sort(([a, nearA], [b, nearB]) => compareNearness(nearA, nearB) || (a < b ? -1 : 1))
    .slice(0, mostNames)
    .map(([name]) => name)
}

/** Edit distance, then whether letters or the first letter differ (0 when not); less is nearer. */
type Nearness = readonly [distance: number, letters: number, firstLetter: number]

/** Of names at one distance, people mean the one with their letters in another order: git by gti. */
function nearness(wanted: string, name: string, distance: number): Nearness {
  const letters = sortedLetters(wanted) === sortedLetters(name) ? 0 : 1
  return [distance, letters, wanted[0] === name[0] ? 0 : 1]
}

function compareNearness(a: Nearness, b: Nearness): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}

function sortedLetters(name: string): string {
  return name.split('').sort().join('')
}

/** One slip in short names, two in most, three in long ones: beyond that everything is near. */
function distanceBound(name: string): number {
  return Math.min(3, Math.max(1, Math.floor(name.length / 4)))
}

/**
 * How many single-character insertions, deletions, substitutions and swaps of neighbours turn one
 * text into the other (optimal string alignment); `undefined` when more than `bound`.
 */
export function editDistance(a: string, b: string, bound: number): number | undefined {
  if (Math.abs(a.length - b.length) > bound) return undefined
  const [lettersOfA, lettersOfB] = [letterSet(a), letterSet(b)]
  if (countBits(lettersOfA & ~lettersOfB) > bound) return undefined
  if (countBits(lettersOfB & ~lettersOfA) > bound) return undefined
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1),
      )
      const swapped =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) cost = Math.min(cost, beforeLast[column - 2]! + 1)
      current.push(cost)
    }
    if (Math.min(...current) > bound && Math.min(...last) > bound) return undefined
    beforeLast = last
    last = current
  }
  const distance = last[b.length]!
  return distance <= bound ? distance : undefined
}

/**
 * The letters of a text as a set of bits. One that the other text lacks takes a step of its own:
 * that rules out most names without counting further, and requests are answered on this thread.
 */
function letterSet(text: string): number {
  let letters = 0
  for (let index = 0; index < text.length; index++) letters |= 1 << (text.charCodeAt(index) & 31)
  return letters
}

function countBits(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++
  return count
}
