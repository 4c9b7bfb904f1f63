import { useEffect, useRef, useState } from 'preact/hooks'
import { readText } from '../api/read-text.ts'
import { RequestFailure } from '../api/request-json.ts'
import { printable } from '../page/printable.ts'

// Builders may compute for long without a word; a service that went away is noticed by the other stream.
const silenceMs = 3_600_000
// Of a log the last part says why; the service keeps about 2,000 lines.
const mostCharacters = 1_000_000

interface Properties {
  readonly buildId: string
  readonly token: string | undefined
  /** Whether the service can be reached: the log is read again after an interruption. */
  readonly isConnected: boolean
}

/** What builders print, as it comes. */
export function BuildLog({ buildId, token, isConnected }: Properties) {
  const { text, problem } = useLog(buildId, token, isConnected)
  const output = useRef<HTMLPreElement>(null)
  const isAtEnd = useRef(true)
  useEffect(() => {
    const { current } = output
    if (current !== null && isAtEnd.current) current.scrollTop = current.scrollHeight
  }, [text])

  if (problem !== '') return <p class="hint">{problem}</p>
  if (text === '') return <p class="hint">Builders have printed nothing.</p>
  return (
    <pre
      ref={output}
      class="log"
      tabIndex={0}
      role="region"
      aria-label="Log of the builders"
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        isAtEnd.current = scrollTop + clientHeight >= scrollHeight - 4
      }}
    >
      {text}
    </pre>
  )
}

function useLog(buildId: string, token: string | undefined, isConnected: boolean) {
  const [log, setLog] = useState({ text: '', problem: '' })
  useEffect(() => {
    if (!isConnected) return
    const controller = new AbortController()
    let text = ''
    let frame = 0
    const show = () => {
      frame = 0
      setLog({ text: printable(text), problem: '' })
    }
    const read = async () => {
      const address = `/api/v1/builds/${encodeURIComponent(buildId)}/log?follow=1`
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
      for await (const piece of readText(address, headers, silenceMs, controller.signal)) {
        text = (text + piece).slice(-mostCharacters)
        frame ||= requestAnimationFrame(show)
      }
    }
    read().catch((error: unknown) => {
      if (controller.signal.aborted || (error instanceof RequestFailure && error.status === 0))
        return
      setLog({ text: '', problem: error instanceof Error ? error.message : String(error) })
    })
    return () => {
      cancelAnimationFrame(frame)
      controller.abort()
    }
  }, [buildId, token, isConnected])
  return log
}
