import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

interface Properties {
  /** Of the browser's tab. */
  readonly title: string
  readonly children: ComponentChildren
}

let isFirst = true

/** The heading of what is shown. It gets the focus when one view follows another, as a loaded page would. */
export function Heading({ title, children }: Properties) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} – Nixery`
  }, [title])
  useEffect(() => {
    if (!isFirst) {
      heading.current?.focus({ preventScroll: true })
      scrollTo(0, 0)
    }
    isFirst = false
  }, [])
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  )
}
