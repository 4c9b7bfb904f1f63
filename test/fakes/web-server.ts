import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { createRegistryServer } from '#apps/registry/registry-server.ts'
import { orderTokens } from '#apps/web/order-tokens.ts'
import { createWebApp, type WebAppOptions } from '#apps/web/web-app.ts'
import type { WebServices } from '#apps/web/web-services.ts'
import { platformOf } from '#core/nix/system.ts'
import { createBuildJournal } from '#engine/build-journal.ts'
import { createImageOrders } from '#engine/image-orders.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { BuildSubject } from '#engine/ports/build-observer.ts'
import type { RequestFacts } from '#engine/ports/request-log.ts'
import type { ManifestOutcome } from '#engine/serve-manifest.ts'
import { createManualClock } from './manual-clock.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** What a build is for that a test makes up. */
export const subject: BuildSubject = {
  name: 'shell/git',
  tag: 'latest',
  request: { platform: platformOf('amd64'), shell: true, packages: ['git'], options: {} },
  source: '',
  revision: 'r1',
}

/** One order that waits for what the test says. */
interface Waiting {
  readonly onBuild: (buildId: string) => void
  readonly end: (outcome: ManifestOutcome) => void
}

/** The web services over a journal and orders that the test fills, and time that it moves. */
export async function startWeb(
  context: TestContext,
  {
    services: more = {},
    ...options
  }: Partial<Omit<WebAppOptions, 'services'>> & { readonly services?: Partial<WebServices> } = {},
) {
  const clock = createManualClock()
  let nowMs = 0
  const builds = createBuildJournal(() => (nowMs += 1))
  const waiting: Waiting[] = []
  const failures: unknown[] = []
  const requests: RequestFacts[] = []
  const ending = new AbortController()
  let made = 0
  const services: WebServices = {
    info: () => ({ version: '1', sources: [{ name: '' }], platforms: ['linux/amd64'] }),
    builds,
    orders: createImageOrders({
      manifest: (_, signal, onBuild) =>
        new Promise((end, fail) => {
          signal.addEventListener('abort', () => fail(signal.reason as Error))
          waiting.push({ onBuild, end })
        }),
      near: async () => [],
      tokens: orderTokens,
      newOrderId: () => String((made += 1)).padStart(12, '0'),
      nowMs: () => 0,
      onFault: (error) => failures.push(error),
    }),
    sourceNames: new Set(['']),
    ending: ending.signal,
    ...more,
  }
  const log = {
    request: (facts: RequestFacts) => requests.push(facts),
    failure: (error: unknown) => failures.push(error),
  }
  const started = { isReady: true }
  const server = createRegistryServer({
    registry: () => {
      throw new OperatingError('STARTING', 'there is no registry in this test')
    },
    web: createWebApp({
      web: 'status',
      services: () => {
        if (started.isReady) return services
        throw new OperatingError('STARTING', 'not yet')
      },
      clock,
      log,
      pages: {
        pageDirectory: '/nonexistent',
        docsDirectory: '/nonexistent',
        ownDirectory: undefined,
        nowMs: () => nowMs,
      },
      ...options,
    }),
    log,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo

  /** Sends a request; the path as it is, which `fetch` would tidy. */
  async function open(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: string,
  ): Promise<IncomingMessage> {
    const request = httpRequest({ port, host: '127.0.0.1', method, path, headers, agent: false })
    request.end(body)
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }

  async function send(...parameters: Parameters<typeof open>): Promise<Answer> {
    const response = await open(...parameters)
    const { statusCode: status = 0, headers } = response
    return { status, headers, body: await text(response) }
  }

  return { open, send, port, clock, builds, waiting, ending, failures, requests, started }
}
