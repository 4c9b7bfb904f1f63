import type { WebMode } from '#core/api/service-info.ts'
import type { Exchange } from '../registry/response.ts'
import { createWebApi, type WebApiOptions } from './web-api.ts'
import { createWebPages, type WebPagesOptions } from './web-pages.ts'

export interface WebAppOptions extends Omit<WebApiOptions, 'web'> {
  readonly web: WebMode
  readonly pages: WebPagesOptions
}

/** Everything that browsers look at beside the registry. Answers false when a path is not its own. */
export function createWebApp({
  web,
  pages,
  ...options
}: WebAppOptions): (exchange: Exchange) => Promise<boolean> {
  if (web === 'off') return async () => false
  const answerApi = createWebApi({ ...options, web })
  const answerPages = createWebPages(pages)
  return async (exchange) => {
    if (exchange.path !== '/api' && !exchange.path.startsWith('/api/')) return answerPages(exchange)
    await answerApi(exchange)
    return true
  }
}
