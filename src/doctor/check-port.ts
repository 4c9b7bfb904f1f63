import { createServer } from 'node:net'
import { once } from 'node:events'
import { describeError } from '#adapters/log/described-error.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { fail, ok } from './finding.ts'

/** Takes the port for a moment, or asks who has it. */
export async function checkPort(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const { port, host } = config
  const setting = host === undefined ? `PORT=${port}` : `PORT=${port} of NIXERY_HOST=${host}`
  const server = createServer()
  try {
    server.listen({ port, ...(host !== undefined && { host }) })
    await once(server, 'listening', { signal })
    return [ok(`${setting} is free`)]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return [await describeOwner(port, host ?? 'localhost', signal)]
    return [
      fail(
        `${setting} cannot be taken: ${describeError(error)}`,
        code === 'EACCES'
          ? 'choose a port from 1024 on, or give the service CAP_NET_BIND_SERVICE'
          : 'name an address of this machine in NIXERY_HOST',
      ),
    ]
  } finally {
    server.close()
  }
}

async function describeOwner(port: number, host: string, signal: AbortSignal): Promise<Finding> {
  const isIpv6 = host.includes(':')
  const address = `http://${isIpv6 ? `[${host}]` : host}:${port}/v2/`
  const until = AbortSignal.any([signal, AbortSignal.timeout(5_000)])
  const response = await fetch(address, { signal: until }).catch(() => undefined)
  await response?.body?.cancel()
  const isRegistry = response?.headers.has('docker-distribution-api-version') === true
  if (isRegistry) return ok(`a registry serves at PORT=${port} already`)
  return fail(
    `PORT=${port} is taken by something that is no registry`,
    'set PORT to a free port, or end what has it (ss -ltnp shows it)',
  )
}
