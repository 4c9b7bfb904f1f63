import { foldAttributeName } from './attribute-path.ts'

/** More suggestions than this help nobody. */
const mostNames = 3

/**
 * The names that somebody who typed `wanted` most likely meant, nearest first and at most three.
 * Names are given folded, as a request spells them. Compares with every name; see `NameIndex`.
 */
export function nearNames(wanted: string, names: Iterable<string>): readonly string[] {
  const target = foldAttributeName(wanted)
  // A fold makes no name shorter by more than the leading underscore.
  const longest = target.length + distanceBound(target.length) + 1
  const plausible = Iterator.from(names).filter((name) => name.length <= longest)
  return nearestOf(target, plausible.map(foldAttributeName))
}

/** The nearest of names that are folded already. */
export function nearestOf(target: string, folded: Iterable<string>): readonly string[] {
  const bound = distanceBound(target.length)
  const near = new Map<string, Nearness>()
  for (const name of folded) {
    const distance = editDistance(target, name, bound)
    if (distance !== undefined && name !== '') near.set(name, nearness(target, name, distance))
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
export function distanceBound(length: number): number {
  return Math.min(3, Math.max(1, Math.floor(length / 4)))
}

/**
 * How many single-character insertions, deletions, substitutions and swaps of neighbours turn one
 * text into the other (optimal string alignment); `undefined` when more than `bound`.
 */
export function editDistance(a: string, b: string, bound: number): number | undefined {
  if (Math.abs(a.length - b.length) > bound) return undefined
  if (!mayBeNear(letterSet(a), letterSet(b), bound)) return undefined
  // What both begin and end with needs no step. Names of one family begin alike.
  let start = 0
  let [endA, endB] = [a.length, b.length]
  while (start < endA && start < endB && a.charCodeAt(start) === b.charCodeAt(start)) start++
  while (endA > start && endB > start && a.charCodeAt(endA - 1) === b.charCodeAt(endB - 1)) {
    endA--
    endB--
  }
  return alignedDistance(a.slice(start, endA), b.slice(start, endB), bound)
}

/** The rows of the table that `alignedDistance` looks back on: the one before the last, the last, this one. */
const rows = [new Uint16Array(64), new Uint16Array(64), new Uint16Array(64)] as const

/** Only what lies beside the diagonal by `bound` at most can lead to a distance within it. */
function alignedDistance(a: string, b: string, bound: number): number | undefined {
  const width = b.length + 1
  let [beforeLast, last, current]: Uint16Array[] =
    width < 64 ? rows.slice() : rows.map(() => new Uint16Array(width + 1))
  const tooFar = bound + 1
  for (let column = 0; column < width; column++) last![column] = column
  let leastOfLast = 0
  for (let row = 1; row <= a.length; row++) {
    const first = Math.max(1, row - bound)
    const end = Math.min(width, row + bound + 1)
    let least = first === 1 ? row : tooFar
    current![first - 1] = least
    if (row + bound < width) last![row + bound] = tooFar
    const code = a.charCodeAt(row - 1)
    const codeBefore = row > 1 ? a.charCodeAt(row - 2) : -1
    for (let column = first; column < end; column++) {
      const other = b.charCodeAt(column - 1)
      let cost = last![column - 1]! + (code === other ? 0 : 1)
      if (last![column]! < cost) cost = last![column]! + 1
      if (current![column - 1]! < cost) cost = Math.min(cost, current![column - 1]! + 1)
      const swapped = column > 1 && codeBefore === other && code === b.charCodeAt(column - 2)
      if (swapped) cost = Math.min(cost, beforeLast![column - 2]! + 1)
      current![column] = cost
      if (cost < least) least = cost
    }
    if (least > bound && leastOfLast > bound) return undefined
    leastOfLast = least
    ;[beforeLast, last, current] = [last, current, beforeLast]
  }
  const distance = last![b.length]!
  return distance <= bound ? distance : undefined
}

/** The letters of a text as a set of bits. */
export function letterSet(text: string): number {
  let letters = 0
  for (let index = 0; index < text.length; index++) letters |= 1 << (text.charCodeAt(index) & 31)
  return letters
}

/**
 * A letter that the other text lacks takes a step of its own: that rules out most names without
 * counting further, and requests are answered on this thread.
 */
export function mayBeNear(letters: number, others: number, bound: number): boolean {
  return countBits(letters & ~others) <= bound && countBits(others & ~letters) <= bound
}

function countBits(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++
  return count
}
