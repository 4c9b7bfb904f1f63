import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Line {
  waiting: number
  /** Resolves when the last answer in line has ended. */
  ended: Promise<void>
}

// No registry client sends a request before it has the answer to the one before.
const mostWaiting = 32

/**
 * Lets the requests of one connection go one after the other; the result resolves when it is a
 * request's turn. Node hands on at once whatever a client sends ahead, so one connection could hold
 * any number of open files and full buffers. One that sends too much ahead is ended.
 */
export function makeTurns(): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const lines = new WeakMap<Socket, Line>()
  return async ({ socket }, response) => {
    const line = lines.get(socket) ?? { waiting: 0, ended: Promise.resolve() }
    lines.set(socket, line)
    const before = line.ended
    line.ended = new Promise((resolve) => response.once('close', () => resolve()))
    line.waiting += 1
    if (line.waiting > mostWaiting) socket.destroy()
    await before
    line.waiting -= 1
  }
}
