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

// Soon enough for somebody who waits, seldom enough for a service in trouble.
const retryMs = 5_000

/**
 * Asks for an address whenever it changes; nothing while it is `undefined`. The last answer stays until
 * the next one is there. A failure that may pass is asked about again.
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
        if (controller.signal.aborted) return
        const failure = failed(error)
        setAnswer(failure)
        if (passes(failure.status)) timer = window.setTimeout(askWhenSeen, retryMs)
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

/** Whether a failure may be over soon, and is asked about again: nobody answers, or the service starts or is busy. */
export function passes(status: number): boolean {
  return status === 0 || status === 429 || status >= 500
}

function failed(error: unknown): Extract<Answer<never>, { readonly kind: 'failed' }> {
  return error instanceof RequestFailure
    ? { kind: 'failed', status: error.status, message: error.message }
    : { kind: 'failed', status: 0, message: String(error) }
}
