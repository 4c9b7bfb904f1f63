import { describeError } from '#adapters/log/described-error.ts'

export type Reached =
  | {
      readonly kind: 'answer'
      readonly status: number
      /** What the server's clock says, when it says it. */
      readonly nowMs: number | undefined
    }
  | { readonly kind: 'silence'; readonly message: string }

// People wait for it; a server that is well takes less than one.
const answerMs = 10_000

/** Asks a server for an address, which may have a login in it. */
export async function reach(url: URL, signal: AbortSignal): Promise<Reached> {
  try {
    const response = await fetch(withoutLogin(url.href), {
      headers: loginOf(url),
      // The clock of a proxy's copy has stood still.
      cache: 'no-store',
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
    })
    await response.body?.cancel()
    const nowMs = Date.parse(response.headers.get('date') ?? '')
    const { status } = response
    return { kind: 'answer', status, nowMs: Number.isNaN(nowMs) ? undefined : nowMs }
  } catch (error) {
    return { kind: 'silence', message: describeError(error) }
  }
}

/** RFC 7617; fetch takes no address with a login. */
function loginOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(login).toString('base64')}` }
}

/** An address as it may be shown. */
export function withoutLogin(address: string): string {
  const url = new URL(address)
  url.username = ''
  url.password = ''
  return url.href
}

export function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`
}

export function isHttp(url: string): boolean {
  return /^https?:\/\//.test(url) && URL.canParse(url)
}
