import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { createRegistryServer } from '#apps/registry/registry-server.ts'
import { compose } from './compose.ts'
import type { Config } from './config.ts'

// Blob downloads in progress get this long to end after SIGTERM; Kubernetes kills after 30 s.
const drainMs = 20_000

/** Runs the service until SIGTERM or SIGINT, then drains. Throws when it cannot start. */
export async function serve(config: Config, logger: Logger): Promise<void> {
  const starting = new AbortController()
  const stopped = stopSignal().finally(() => starting.abort())
  const system = await compose(config, logger, starting.signal)
  const server = createRegistryServer(system.registry)
  try {
    await listen(server, config)
    const { port } = server.address() as AddressInfo
    logger.info(
      { port, storage: config.storageDirectory },
      `ready: docker pull localhost:${port}/shell/git`,
    )
    const signal = await stopped
    logger.info({ signal }, 'draining')
    await drain(server, () => system.endBuilds())
  } finally {
    await system.close()
  }
  logger.info('stopped')
}

async function listen(server: Server, config: Config): Promise<void> {
  server.listen({ port: config.port, host: config.host })
  await once(server, 'listening')
}

/** Takes no new connections, ends builds (their clients get a 503), and lets downloads end. */
async function drain(server: Server, endBuilds: () => Promise<void>): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  await endBuilds()
  const timer = setTimeout(() => server.closeAllConnections(), drainMs)
  // A connection that ends its download and is kept alive by its client would hold the drain up.
  const sweep = setInterval(() => server.closeIdleConnections(), 200)
  await closed
  clearTimeout(timer)
  clearInterval(sweep)
}

/** The first signal that asks to stop; a second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => resolve(signal))
    }
  })
}
