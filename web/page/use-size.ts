import { useEffect, useState } from 'preact/hooks'

export interface Size {
  /** In CSS pixels, whole ones; 0 before it is known. */
  readonly width: number
  readonly height: number
}

/** How large an element is drawn, now and whenever that changes. */
export function useSize(element: { readonly current: HTMLElement | null }): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 })
  useEffect(() => {
    if (element.current === null) return
    const observer = new ResizeObserver(([entry]) => {
      const { width = 0, height = 0 } = entry?.contentRect ?? {}
      setSize({ width: Math.floor(width), height: Math.floor(height) })
    })
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [])
  return size
}
