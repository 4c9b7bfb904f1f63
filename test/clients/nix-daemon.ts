import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { startDaemon, type Daemon } from './daemon.ts'

/** A Nix daemon on the store of this machine, whose socket stands in `directory`. */
export async function startNixDaemon(
  directory: string,
): Promise<Daemon & { readonly socket: string }> {
  const socket = join(directory, 'socket')
  const daemon = await startDaemon({
    command: 'nix-daemon',
    args: [],
    env: {
      NIX_DAEMON_SOCKET_PATH: socket,
      NIX_CONFIG: 'build-users-group =\nsubstituters =',
    },
    logPath: join(directory, 'nix-daemon.log'),
    readyTimeoutMs: 120_000,
    isReady: () => takesConnections(socket),
  })
  return { ...daemon, socket }
}

async function takesConnections(socket: string): Promise<boolean> {
  const connection = connect(socket)
  try {
    await once(connection, 'connect')
    return true
  } catch {
    // Not there, or there and not listening yet.
    return false
  } finally {
    connection.destroy()
  }
}
