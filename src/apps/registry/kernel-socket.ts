import type { Socket } from 'node:net'

/** What Node keeps of a connection, and shows nobody: its number for the kernel, and what has not gone. */
interface InnerHandle {
  readonly fd?: number
  readonly writeQueueSize?: number
}

/**
 * The number by which the kernel knows a connection, for whoever writes to it without Node. `undefined`
 * while anything waits to be written by Node, which would come too late, and for what Node encrypts.
 */
export function idleDescriptor(socket: Socket | null): number | undefined {
  if (socket === null || socket.destroyed || 'encrypted' in socket) return undefined
  const { _handle: handle } = socket as { _handle?: InnerHandle | null }
  if (socket.writableLength > 0 || handle?.writeQueueSize !== 0) return undefined
  return handle.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined
}

const passedBytes = new WeakMap<Socket, number>()

/** Counts bytes that Node knows nothing of. */
export function notePassed(socket: Socket, sizeBytes: number): void {
  passedBytes.set(socket, (passedBytes.get(socket) ?? 0) + sizeBytes)
}

/** All that was sent to a connection, by Node or without it. */
export function readSentBytes(socket: Socket): number {
  return socket.bytesWritten + (passedBytes.get(socket) ?? 0)
}
