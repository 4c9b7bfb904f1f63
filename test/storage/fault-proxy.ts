import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { withoutFaults, type Fault, type FaultPlan, type ProxiedRequest } from './fault.ts'
import { Relay } from './relay.ts'

export interface FaultProxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Changed by tests at any time; counts from the next request. */
  plan: FaultPlan
  readonly requests: readonly ProxiedRequest[]
  /** The faults that have happened: what a plan wanted of a request that gave no chance is not here. */
  readonly faults: readonly Fault[]
}

/**
 * Stands between a service and its bucket, passes everything on byte by byte, headers as they are
 * (signatures are about them), and makes those requests fail that its plan picks. With `renamesHost` it
 * asks for the bucket by the bucket's own name, where that decides what is answered.
 */
export async function startFaultProxy(
  target: string,
  plan: FaultPlan = withoutFaults,
  { renamesHost = false } = {},
): Promise<FaultProxy> {
  const requests: ProxiedRequest[] = []
  const faults: Fault[] = []
  const server = createServer(
    // Whatever ends a connection is a fault of a plan, not the proxy's impatience.
    { keepAliveTimeout: 600_000, requestTimeout: 0, headersTimeout: 0 },
    (request, response) => {
      const seen = describeRequest(request, requests.length)
      requests.push(seen)
      const relay = new Relay({ url: new URL(target), renamesHost }, request, response, (fault) =>
        faults.push(fault),
      )
      relay.run(proxy.plan(seen)).catch(() => {
        // One of the two sides is gone: so is the other.
        request.socket.destroy()
      })
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: FaultProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    plan,
    requests,
    faults,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return proxy
}

function describeRequest(request: IncomingMessage, number: number): ProxiedRequest {
  return {
    number,
    method: request.method ?? '',
    path: request.url ?? '',
    bodyBytes: Number(request.headers['content-length'] ?? 0),
    range: request.headers.range,
  }
}
