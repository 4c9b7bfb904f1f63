import type { WebMode } from '#core/api/service-info.ts'
import type { Exchange } from '../registry/response.ts'
import { createWebApi, type WebApiOptions } from './web-api.ts'

export interface WebAppOptions extends Omit<WebApiOptions, 'web'> {
  readonly web: WebMode
}

/** Everything that browsers look at beside the registry. Answers false when a path is not its own. */
export function createWebApp({
  web,
  ...options
}: WebAppOptions): (exchange: Exchange) => Promise<boolean> {
  if (web === 'off') return async () => false
  const answerApi = createWebApi({ ...options, web })
  return async (exchange) => {
    const isApi = exchange.path === '/api' || exchange.path.startsWith('/api/')
    if (isApi) await answerApi(exchange)
    return isApi
  }
}
