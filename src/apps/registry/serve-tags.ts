import { sendBody, type Exchange } from './response.ts'

/** The tags that exist whatever the name: an image is a function of its name. */
const tags: readonly string[] = ['latest']

/** GET of `/v2/<name>/tags/list`: sorted; `last` is exclusive and need not exist (distribution-spec). */
export function serveTags(exchange: Exchange, name: string): void {
  const query = new URL(exchange.request.url ?? '/', 'http://registry').searchParams
  const last = query.get('last') ?? ''
  const limit = query.get('n')
  const after = tags.filter((tag) => tag > last)
  const shown = limit !== null && /^\d+$/.test(limit) ? after.slice(0, Number(limit)) : after
  sendBody(
    exchange,
    200,
    { 'Content-Type': 'application/json' },
    JSON.stringify({ name, tags: shown }),
  )
}
