import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A line to a service that a test may cut, and mend at the same address. */
export interface CuttableLine extends AsyncDisposable {
  /** What to ask instead of the service. */
  readonly url: string
  /** Ends every connection; new ones end at once. */
  cut(): void
  mend(): void
}

export async function openLine(serviceUrl: string): Promise<CuttableLine> {
  const { hostname, port } = new URL(serviceUrl)
  const sockets = new Set<Socket>()
  let isCut = false
  const hold = (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // Told by the close that follows.
    socket.on('error', () => socket.destroy())
  }
  const server = createServer((client) => {
    hold(client)
    if (isCut) return void client.resetAndDestroy()
    const service = connect(Number(port), hostname)
    hold(service)
    client.pipe(service).pipe(client)
    client.once('close', () => service.destroy())
    service.once('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    isCut = true
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: () => void (isCut = false),
    async [Symbol.asyncDispose]() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
