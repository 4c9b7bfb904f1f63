import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

interface Line {
  /** Requests whose answer has not ended. */
  open: number
  /** Resolves when the last answer in line has ended. */
  ended: Promise<void>
}

// No registry client sends a request before it has the answer to the one before.
const mostOpen = 32

/**
 * Lets the requests of one connection go one after the other. Node hands on at once whatever a
 * client sends ahead, so one connection could hold any number of open files and full buffers.
 */
export class Turns {
  readonly #lines = new Map<Duplex, Line>()

  /** Resolves when it is the turn of a request. A connection that sends too much ahead is ended. */
  take(socket: Duplex, response: ServerResponse): Promise<void> {
    const line = this.#lines.get(socket) ?? this.#begin(socket)
    const turn = line.ended
    line.open += 1
    line.ended = new Promise((resolve) => {
      response.once('close', () => {
        line.open -= 1
        resolve()
      })
    })
    if (line.open > mostOpen) socket.destroy()
    return turn
  }

  /** Whether a request of the connection waits for its answer or its turn. */
  isOpen(socket: Duplex): boolean {
    return (this.#lines.get(socket)?.open ?? 0) > 0
  }

  /** Ends the connections whose answers have all been sent to their last byte. */
  closeIdle(): void {
    for (const [socket, { open }] of this.#lines) if (open === 0) socket.destroy()
  }

  #begin(socket: Duplex): Line {
    const line = { open: 0, ended: Promise.resolve() }
    this.#lines.set(socket, line)
    socket.once('close', () => this.#lines.delete(socket))
    return line
  }
}
