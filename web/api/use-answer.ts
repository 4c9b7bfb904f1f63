import { useEffect, useState } from 'preact/hooks'
import { RequestFailure, requestJson } from './request-json.ts'

/** What is known of an answer of the service. */
export type Answer<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'loaded'; readonly value: T }
  | { readonly kind: 'failed'; readonly status: number; readonly message: string }

export interface AskOptions<T> {
  /** Waits so long before it asks, and starts again when the address changes meanwhile. */
  readonly delayMs?: number
  /** When to ask again, if at all. */
  readonly againAfterMs?: (value: T) => number | undefined
}

/**
 * Asks for an address whenever it changes; nothing while it is `undefined`. The last answer stays until
 * the next one is there.
 */
export function useAnswer<T>(address: string | undefined, options: AskOptions<T> = {}): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ kind: 'loading' })
  const { delayMs = 0, againAfterMs } = options
  useEffect(() => {
    if (address === undefined) return
    const controller = new AbortController()
    let timer: number
    const ask = async () => {
      try {
        const value = await requestJson<T>(address, {}, controller.signal)
        if (controller.signal.aborted) return
        setAnswer({ kind: 'loaded', value })
        const waitMs = againAfterMs?.(value)
        if (waitMs !== undefined) timer = window.setTimeout(askWhenSeen, waitMs)
      } catch (error) {
        if (!controller.signal.aborted) setAnswer(failed(error))
      }
    }
    const askWhenSeen = () => {
      if (!document.hidden) return void ask()
      document.addEventListener('visibilitychange', askWhenSeen, {
        once: true,
        signal: controller.signal,
      })
    }
    timer = window.setTimeout(() => void ask(), delayMs)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
    // How to ask again belongs to the component and does not change with its address.
  }, [address])
  return answer
}

function failed(error: unknown): Answer<never> {
  return error instanceof RequestFailure
    ? { kind: 'failed', status: error.status, message: error.message }
    : { kind: 'failed', status: 0, message: String(error) }
}
