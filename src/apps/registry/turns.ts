import type { Duplex } from 'node:stream'

interface Line {
  /** Requests whose answer has not ended. */
  open: number
  /** Those whose turn has not come. */
  readonly waiting: (() => void)[]
}

// No registry client sends a request before it has the answer to the one before.
const mostOpen = 32

/**
 * Lets the requests of one connection go one after the other. Node hands on at once whatever a
 * client sends ahead, so one connection could hold any number of open files and full buffers.
 */
export class Turns {
  readonly #lines = new Map<Duplex, Line>()

  /**
   * Begins a request when it is its turn, at once when nobody is before it; `end` follows when it has its
   * answer. A connection that sends too much ahead is ended.
   */
  take(socket: Duplex, begin: () => void): void {
    const line = this.#lines.get(socket) ?? this.#begin(socket)
    line.open += 1
    if (line.open > mostOpen) socket.destroy()
    else if (line.open === 1) begin()
    else line.waiting.push(begin)
  }

  /** The answer to the first request in line has ended. */
  end(socket: Duplex): void {
    const line = this.#lines.get(socket)
    if (line === undefined) return
    line.open -= 1
    line.waiting.shift()?.()
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
    const line: Line = { open: 0, waiting: [] }
    this.#lines.set(socket, line)
    socket.once('close', () => this.#lines.delete(socket))
    return line
  }
}
