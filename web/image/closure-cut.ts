import type { ViewedPath } from '#core/api/image-view.ts'
import { reachedFrom, referencesOf, referrersOf, startsOf } from './closure-walk.ts'

/** The part of a closure that is drawn. */
export interface ClosureCut {
  /** Places in the closure. */
  readonly places: readonly number[]
  /** How many store paths are not drawn, and their sizes together. */
  readonly leftOut: number
  readonly leftOutBytes: number
  /** Whether all that the image was made for, as far as it belongs here, is drawn. */
  readonly hasAllStarts: boolean
  readonly lines: readonly Line[]
}

/** From a place to one that it needs, by itself or over store paths that are not drawn. */
export type Line = readonly [from: number, to: number]

/**
 * At most so many store paths: the largest, and of those that the image was made for as many as are
 * half of it. With `around` only those that need this one or that it needs.
 */
export function cutClosure(
  closure: readonly ViewedPath[],
  most: number,
  around: number | undefined,
): ClosureCut {
  const starts = startsOf(closure)
  const subject = around === undefined ? [...closure.keys()] : relativesOf(closure, around)
  const bySize = subject.toSorted((a, b) => closure[b]!.narSizeBytes - closure[a]!.narSizeBytes)
  const first = bySize.filter((place) => starts.has(place)).slice(0, most / 2)
  const centre = around === undefined ? [] : [around]
  const sorted = [...new Set([...centre, ...first, ...bySize])]
  const places = sorted.slice(0, most)
  const leftOut = sorted.slice(most)
  return {
    places,
    leftOut: leftOut.length,
    leftOutBytes: leftOut.reduce((sum, place) => sum + closure[place]!.narSizeBytes, 0),
    hasAllStarts: !leftOut.some((place) => starts.has(place)),
    lines: linesBetween(closure, places),
  }
}

function relativesOf(closure: readonly ViewedPath[], place: number): readonly number[] {
  const needed = reachedFrom(referencesOf(closure), place)
  const needing = reachedFrom(referrersOf(closure), place)
  return [...new Set([...needed, ...needing])]
}

/**
 * A line for each need, without those that a way over other lines says already: nearly everything needs
 * the C library, and few lines say so.
 */
function linesBetween(closure: readonly ViewedPath[], places: readonly number[]): readonly Line[] {
  const references = referencesOf(closure)
  const needs = new Map<number, ReadonlySet<number>>()
  for (const place of places) {
    const reached = reachedFrom(references, place)
    needs.set(place, new Set(places.filter((other) => other !== place && reached.has(other))))
  }
  const isNeeding = (from: number, to: number) => needs.get(from)!.has(to)
  return places.flatMap((from) => {
    const needed = [...needs.get(from)!]
    const isSaid = (to: number) => needed.some((way) => isNeeding(way, to) && !isNeeding(to, way))
    return needed.filter((to) => !isSaid(to)).map((to): Line => [from, to])
  })
}
