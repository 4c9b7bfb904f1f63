import type { RefObject } from 'preact'
import { useEffect, useLayoutEffect, useState } from 'preact/hooks'
import type { Size } from '../page/use-size.ts'
import type { Point } from './graph-layout.ts'
import { fitReadable, fitWhole, pan, zoom, type Lens } from './pan-zoom.ts'

// In CSS pixels: what a hand trembles while it presses.
const trembling = 4
// Of a wheel's notch, which is about 100 pixels, a third of the size.
const wheelSpeed = 0.003
const panStep = 60
export const zoomStep = 1.3

const panKeys: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: panStep, y: 0 },
  ArrowRight: { x: -panStep, y: 0 },
  ArrowUp: { x: 0, y: panStep },
  ArrowDown: { x: 0, y: -panStep },
}

type Move = (lens: Lens) => Lens

export interface MovableLens {
  readonly lens: Lens
  readonly move: (move: Move) => void
  /** About the middle of the frame. */
  readonly zoomBy: (factor: number) => void
  readonly showWhole: () => void
  /** Whether the key is one that pans or zooms. */
  readonly followKey: (key: string) => boolean
}

/** Pans and zooms a drawing under its frame, by drag, pinch, wheel and keys. */
export function useLens(
  frame: RefObject<HTMLElement | null>,
  drawing: Size,
  size: Size,
): MovableLens {
  const [lens, setLens] = useState<Lens>({ x: 0, y: 0, scale: 1 })
  // Before the browser paints: who sees the drawing sees it where it lies.
  useLayoutEffect(() => setLens(fitReadable(drawing, size)), [drawing, size.width, size.height])
  useEffect(() => {
    if (frame.current === null) return
    const controller = new AbortController()
    followPointers(frame.current, setLens, controller.signal)
    followWheel(frame.current, setLens, controller.signal)
    return () => controller.abort()
  }, [])
  const zoomBy = (factor: number) =>
    setLens((lens) => zoom(lens, factor, { x: size.width / 2, y: size.height / 2 }))
  const showWhole = () => setLens(fitWhole(drawing, size))
  function followKey(key: string): boolean {
    const by = panKeys[key]
    if (by !== undefined) setLens((lens) => pan(lens, by))
    else if (key === '+' || key === '=') zoomBy(zoomStep)
    else if (key === '-') zoomBy(1 / zoomStep)
    else if (key === '0') showWhole()
    else return false
    return true
  }
  return { lens, move: setLens, zoomBy, showWhole, followKey }
}

/** One finger or the mouse pans, two fingers zoom too. */
function followPointers(
  frame: HTMLElement,
  setLens: (move: Move) => void,
  signal: AbortSignal,
): void {
  const pointers = new Map<number, Point>()
  let travelled = 0

  frame.addEventListener(
    'pointerdown',
    ({ pointerId, clientX, clientY, button }) => {
      if (button !== 0) return
      if (pointers.size === 0) travelled = 0
      pointers.set(pointerId, { x: clientX, y: clientY })
    },
    { signal },
  )
  // A fast pointer leaves the frame before it is captured: what it does outside ends the drag too.
  addEventListener(
    'pointermove',
    ({ pointerId, clientX, clientY, buttons }) => {
      const before = pointers.get(pointerId)
      if (before === undefined) return
      // It was let go where nobody told of it, as outside the window.
      if (buttons === 0) return void pointers.delete(pointerId)
      const now = { x: clientX, y: clientY }
      const by = { x: now.x - before.x, y: now.y - before.y }
      travelled += Math.hypot(by.x, by.y)
      if (travelled > trembling) frame.setPointerCapture(pointerId)
      const other = [...pointers].find(([id]) => id !== pointerId)?.[1]
      pointers.set(pointerId, now)
      if (other === undefined) return setLens((lens) => pan(lens, by))
      const { left, top } = frame.getBoundingClientRect()
      const at = { x: (now.x + other.x) / 2 - left, y: (now.y + other.y) / 2 - top }
      const factor = distance(now, other) / Math.max(distance(before, other), 1)
      setLens((lens) => zoom(pan(lens, { x: by.x / 2, y: by.y / 2 }), factor, at))
    },
    { signal },
  )
  for (const kind of ['pointerup', 'pointercancel'] as const)
    addEventListener(kind, ({ pointerId }) => void pointers.delete(pointerId), { signal })
  // Letting a drag go is no click on what lies there.
  frame.addEventListener(
    'click',
    (event) => {
      if (travelled > trembling) event.stopPropagation()
      // A screen reader clicks without a pointer.
      travelled = 0
    },
    { capture: true, signal },
  )
}

/** With the control key, as in maps: else the page scrolls. A pinch on a touchpad comes so too. */
function followWheel(frame: HTMLElement, setLens: (move: Move) => void, signal: AbortSignal): void {
  frame.addEventListener(
    'wheel',
    (event) => {
      if (!event.ctrlKey) return
      event.preventDefault()
      const { left, top } = frame.getBoundingClientRect()
      const at = { x: event.clientX - left, y: event.clientY - top }
      setLens((lens) => zoom(lens, Math.exp(-event.deltaY * wheelSpeed), at))
    },
    { passive: false, signal },
  )
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y)
}
