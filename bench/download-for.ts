import { once } from 'node:events'
import { connect } from 'node:net'
import { argv, stdout } from 'node:process'

// Downloads one file over and over, with several connections, and reads it in big blocks into one buffer:
// a client that costs less than the servers that it measures. wrk reads 8 KiB at a time.

const [address = '', clientCount, durationSeconds] = argv.slice(2)
const { hostname, port, pathname } = new URL(address)
const request = `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`
const block = Buffer.alloc(1024 * 1024)

const startedAtMs = performance.now()
const endsAtMs = startedAtMs + Number(durationSeconds) * 1000
let bytes = 0
await Promise.all(Array.from({ length: Number(clientCount) }, download))
stdout.write(JSON.stringify({ bytes, seconds: (performance.now() - startedAtMs) / 1000 }))

/** Asks again on the same connection until the time is over; what is under way then counts in part. */
async function download(): Promise<void> {
  let head = ''
  let missingBytes = 0
  const socket = connect({
    host: hostname,
    port: Number(port),
    onread: {
      buffer: block,
      callback(length) {
        const over = performance.now() > endsAtMs
        receive(block.subarray(0, length))
        if (over) socket.destroy()
        return !over
      },
    },
  })
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  socket.write(request)
  await closed

  function receive(chunk: Buffer): void {
    if (missingBytes === 0) {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const size = /^content-length: (\d+)/im.exec(head)?.[1]
      if (!head.startsWith('HTTP/1.1 200') || size === undefined)
        throw new Error(`${address} answers ${head.slice(0, end)}`)
      const received = head.length - end - 4
      head = ''
      missingBytes = Number(size)
      count(received)
    } else count(chunk.length)
  }

  function count(received: number): void {
    bytes += received
    missingBytes -= received
    if (missingBytes === 0) socket.write(request)
  }
}
