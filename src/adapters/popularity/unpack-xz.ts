import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

// Nothing that `xz -9` packs takes more than 65 MiB to unpack.
const memoryLimit = '--memlimit-decompress=128MiB'

/** Unpacks with the program `xz`, which Node has no part for. Throws when the bytes are not xz's. */
export async function unpackXz(
  bytes: Uint8Array,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  signal.throwIfAborted()
  const arguments_ = ['--decompress', '--stdout', '--format=xz', memoryLimit]
  const options = { encoding: 'buffer', maxBuffer: maxBytes, signal } as const
  const running = promisify(execFile)('xz', arguments_, options)
  // xz that ends early, for a reason that it tells, leaves the pipe broken.
  running.child.stdin?.on('error', () => {}).end(bytes)
  try {
    return (await running).stdout
  } catch (error) {
    signal.throwIfAborted()
    throw new Error(explain(error as ExecError, maxBytes), { cause: error })
  }
}

type ExecError = Error & { readonly code?: unknown; readonly stderr?: Buffer }

function explain({ code, stderr }: ExecError, maxBytes: number): string {
  if (code === 'ENOENT') return 'the program xz is not there: install xz-utils'
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
    return `it unpacks to more than ${maxBytes} bytes`
  return `it cannot be unpacked: ${stderr?.toString('utf8').trim().slice(0, 200)}`
}
