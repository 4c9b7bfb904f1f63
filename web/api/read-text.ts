import { request, RequestFailure } from './request-json.ts'

/**
 * The text of an answer as it arrives, first an empty one as soon as the service answers; nothing for
 * 204. Ends when the service ends it.
 *
 * @throws {RequestFailure} also when nothing came for `silenceMs`
 */
export async function* readText(
  address: string,
  headers: Readonly<Record<string, string>>,
  silenceMs: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const silence = new AbortController()
  const watch = () => setTimeout(() => silence.abort(), silenceMs)
  let timer = watch()
  try {
    const response = await request(address, {
      headers,
      signal: AbortSignal.any([signal, silence.signal]),
    })
    if (response.status === 204 || response.body === null) return
    yield ''
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = watch()
      yield value
    }
  } catch (error) {
    if (signal.aborted || error instanceof RequestFailure) throw error
    throw new RequestFailure(0, 'The connection to the service was lost.')
  } finally {
    clearTimeout(timer)
  }
}
