import { once } from 'node:events'
import type { Server } from 'node:http'
import { flushCompileCache } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { logRequests } from '#adapters/log/logged-requests.ts'
import { createMetrics } from '#adapters/metrics/metrics.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { createRegistryServer } from '#apps/registry/registry-server.ts'
import { createWebApp } from '#apps/web/web-app.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { compose, type System, type Watchers } from './compose.ts'
import { describeStorage } from './open-storage.ts'
import { ConfigError, type Config } from './config.ts'

const projectRoot = join(import.meta.dirname, '..')

// Blob downloads in progress get this long to end after SIGTERM; Kubernetes kills after 30 s.
export const drainMs = 20_000

/**
 * Runs the service until SIGTERM or SIGINT, then drains. Throws when it cannot start. It listens
 * before it makes the package index, so that a port that is taken is told at once; until all is
 * ready, clients are told to come back.
 */
export async function serve(config: Config, logger: Logger): Promise<void> {
  const starting = new AbortController()
  const stopped = stopSignal().finally(() => starting.abort())
  let system: System | undefined
  const metrics = createMetrics()
  const log = logRequests(logger)
  const server = createRegistryServer({
    registry: () => system?.registry ?? refuseEarly(),
    web: createWebApp({
      web: config.web,
      services: () => system?.web ?? refuseEarly(),
      clock: systemClock,
      log,
      pages: {
        pageDirectory: join(projectRoot, 'dist', 'web'),
        docsDirectory: join(projectRoot, 'dist', 'docs'),
        ownDirectory: config.webDirectory,
        nowMs: () => performance.now(),
      },
    }),
    metrics,
    hostNames: config.hostNames,
    log: {
      ...log,
      request(facts) {
        log.request(facts)
        metrics.requests.request(facts)
      },
    },
  })
  await listen(server, config)
  try {
    system = await composeUnlessStopped(config, { logger, metrics }, starting.signal)
    if (system === undefined) return
    const { port } = server.address() as AddressInfo
    const { sources, example, layers } = system
    logger.info(
      {
        port,
        storage: describeStorage(config.storage),
        layers,
        sources,
      },
      example === undefined
        ? `ready: serving on port ${port}`
        : `ready: docker pull localhost:${port}/${example}`,
    )
    // Node would keep the compiled code when the process ends, which a kill does not let it do.
    flushCompileCache()
    const signal = await stopped
    logger.info({ signal }, 'draining')
    await drain(server, system)
  } finally {
    server.close().closeAllConnections()
    await system?.close()
  }
  logger.info('stopped')
}

function refuseEarly(): never {
  throw new OperatingError('STARTING', 'the package index is being made')
}

async function composeUnlessStopped(
  config: Config,
  watchers: Watchers,
  stopped: AbortSignal,
): Promise<System | undefined> {
  try {
    return await compose(config, watchers, stopped)
  } catch (error) {
    if (stopped.aborted) return undefined
    throw error
  }
}

async function listen(server: Server, config: Config): Promise<void> {
  server.listen({ port: config.port, ...(config.host !== undefined && { host: config.host }) })
  try {
    await once(server, 'listening')
  } catch (error) {
    throw refusedAddress(config, error) ?? error
  }
}

/** What the operator has to change when the system does not give the address away. */
function refusedAddress({ port, host }: Config, error: unknown): ConfigError | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new ConfigError(`PORT=${port} is in use by another process: it must be a free port`)
    case 'EACCES':
      return new ConfigError(`PORT=${port} is not open to this user: it must be 1024 or above`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EINVAL':
      return new ConfigError(
        `NIXERY_HOST=${host} is not allowed: it must be an address of this machine`,
      )
    default:
      return undefined
  }
}

/** Takes no new connections, ends builds (their clients get a 503), and lets downloads end. */
async function drain(server: Server, system: System): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  // Builds take up to 20 s to end, and the downloads go on meanwhile: both within one time.
  const timer = setTimeout(() => server.closeAllConnections(), drainMs)
  await system.endBuilds()
  // A connection that ends its download and is kept alive by its client would hold the drain up.
  const sweep = setInterval(() => server.closeIdleConnections(), 200)
  await closed
  clearTimeout(timer)
  clearInterval(sweep)
}

// A terminal and npm both deliver one Ctrl-C within this time; a person's second one comes later.
const sameKeyPressMs = 300

/** The first signal that asks to stop; a second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  const signals = ['SIGTERM', 'SIGINT'] as const
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals) => {
      resolve(signal)
      setTimeout(endAtOnce, sameKeyPressMs).unref()
    }
    // Without a listener a signal ends the process, whichever of the two comes next.
    const endAtOnce = () => {
      for (const each of signals) process.off(each, stop)
    }
    for (const signal of signals) process.on(signal, stop)
  })
}
