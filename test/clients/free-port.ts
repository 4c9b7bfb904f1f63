import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

// Linux gives ports from 32768 on to whoever asks for any: no other test gets one of these by chance.
// Browsers and fetch refuse none of them.
const [lowestPort, highestPort] = [11_000, 30_000]

/** A port that nobody listens on, and that nobody is given before it is used. */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowestPort, highestPort)
    if (await isFree(port)) return port
  }
}

/** On every address of this machine, since the service listens on all of them. */
async function isFree(port: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', (error: NodeJS.ErrnoException) =>
    error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
  )
  server.listen(port, () => server.close(() => resolve(true)))
  return await promise
}
