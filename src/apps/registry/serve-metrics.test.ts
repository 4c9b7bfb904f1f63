import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { serveMetrics, type ServedMetrics } from './serve-metrics.ts'

async function start(metrics: ServedMetrics) {
  const server = createServer((request, response) => {
    const { signal } = new AbortController()
    void serveMetrics({ request, response, path: '/metrics', signal, noted: {} }, metrics)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    ask: (method: string) => fetch(`http://127.0.0.1:${port}/metrics`, { method }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('serveMetrics() answers GET and HEAD, and nothing else', async () => {
  await using server = await start({ text: async () => 'a 1\n', contentType: 'text/plain; v=1' })
  const got = await server.ask('GET')
  assert.deepEqual(
    [
      got.status,
      got.headers.get('content-type'),
      got.headers.get('cache-control'),
      await got.text(),
    ],
    [200, 'text/plain; v=1', 'no-store', 'a 1\n'],
  )
  const head = await server.ask('HEAD')
  assert.deepEqual(
    [head.status, head.headers.get('content-length'), await head.text()],
    [200, '4', ''],
  )
  const posted = await server.ask('POST')
  assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD'])
})
