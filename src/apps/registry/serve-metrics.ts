import { sendBody, sendRefusal, type Exchange } from './response.ts'

/** What is counted, in the format that `contentType` names. */
export interface ServedMetrics {
  text(): Promise<string>
  readonly contentType: string
}

/** `GET /metrics`, for Prometheus: counts only, nothing of who asked for what. */
export async function serveMetrics(exchange: Exchange, metrics: ServedMetrics): Promise<void> {
  const { method } = exchange.request
  if (method !== 'GET' && method !== 'HEAD')
    return sendRefusal(exchange, {
      status: 405,
      code: 'UNSUPPORTED',
      message: 'metrics are read: only GET and HEAD work',
      headers: { Allow: 'GET, HEAD' },
    })
  const text = await metrics.text()
  sendBody(
    exchange,
    200,
    { 'Content-Type': metrics.contentType, 'Cache-Control': 'no-store' },
    text,
  )
}
