import type { Size } from '../page/use-size.ts'
import type { Point } from './graph-layout.ts'

/** How a drawing lies under its frame: where its origin is, and how large it is. */
export interface Lens extends Point {
  readonly scale: number
}

// Below it there are no words, above it there is one word.
const leastScale = 0.08
const mostScale = 3
// Words of 11 pixels can still be read.
const leastReadableScale = 0.75
const margin = 12

export function pan(lens: Lens, by: Point): Lens {
  return { ...lens, x: lens.x + by.x, y: lens.y + by.y }
}

/** The point of the frame stays over the same point of the drawing. */
export function zoom(lens: Lens, factor: number, at: Point): Lens {
  const scale = clamp(lens.scale * factor, leastScale, mostScale)
  const ratio = scale / lens.scale
  return { scale, x: at.x - (at.x - lens.x) * ratio, y: at.y - (at.y - lens.y) * ratio }
}

/** The whole drawing in the middle of the frame. */
export function fitWhole(drawing: Size, frame: Size): Lens {
  const scale = Math.min(
    (frame.width - 2 * margin) / drawing.width,
    (frame.height - 2 * margin) / drawing.height,
  )
  return centre(drawing, frame, clamp(scale, leastScale, 1))
}

/** As much of the drawing as can be read, from its top. */
export function fitReadable(drawing: Size, frame: Size): Lens {
  const { scale } = fitWhole(drawing, frame)
  const lens = centre(drawing, frame, Math.max(scale, leastReadableScale))
  return { ...lens, y: Math.max(lens.y, margin) }
}

/** Moves the drawing as little as brings a box of it into the frame. */
export function reveal(lens: Lens, middle: Point, box: Size, frame: Size): Lens {
  const moved = (at: number, half: number, size: number) =>
    clamp(at, half + margin, Math.max(size - half - margin, half + margin)) - at
  return pan(lens, {
    x: moved(lens.x + middle.x * lens.scale, (box.width * lens.scale) / 2, frame.width),
    y: moved(lens.y + middle.y * lens.scale, (box.height * lens.scale) / 2, frame.height),
  })
}

function centre(drawing: Size, frame: Size, scale: number): Lens {
  return {
    scale,
    x: (frame.width - drawing.width * scale) / 2,
    y: (frame.height - drawing.height * scale) / 2,
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
