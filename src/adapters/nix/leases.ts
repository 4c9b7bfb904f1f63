import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

import type { StoreLease } from '#engine/ports/package-builder.ts'

/*
 * Each process has a directory of its own, in which a socket tells whether it is alive:
 *
 *   <lease directory>/<process>/owner     the process listens here for as long as it lives
 *                              /1 /2 …    one lease each, with garbage collector roots inside
 *
 * A socket needs no process ids, which mean nothing across containers that share the store, and the
 * kernel closes it however its owner dies.
 */

const socketName = 'owner'

/** A process directory gets its name once its socket listens, so nameless ones this old are left over. */
const preparationLimitMs = 60 * 60 * 1000

const preparationPrefix = '.new-'

/** Hands out leases below a directory that other processes may share. */
export class Leases {
  readonly #processDirectory: string
  readonly #socket: Server
  #count = 0

  private constructor(processDirectory: string, socket: Server) {
    this.#processDirectory = processDirectory
    this.#socket = socket
  }

  /** Sweeps what dead processes left and begins to hand out leases. */
  static async open(leaseDirectory: string): Promise<Leases> {
    await mkdir(leaseDirectory, { recursive: true })
    await sweepLeases(leaseDirectory)
    const name = randomUUID()
    const preparing = join(leaseDirectory, preparationPrefix + name)
    await mkdir(preparing)
    const socket = await listenIn(preparing)
    await rename(preparing, join(leaseDirectory, name))
    return new Leases(join(leaseDirectory, name), socket)
  }

  async lease(): Promise<StoreLease> {
    this.#count += 1
    const directory = join(this.#processDirectory, String(this.#count))
    await mkdir(directory)
    return { directory, release: () => removeLease(directory) }
  }

  /** Gives everything back; for tests and an orderly end. */
  async close(): Promise<void> {
    await new Promise((resolve) => this.#socket.close(resolve))
    await rm(this.#processDirectory, { recursive: true, force: true })
  }
}

/** Never throws: a lease that stays only keeps store paths until the next start. */
async function removeLease(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true }).catch((error: unknown) => {
    process.emitWarning(`cannot remove the lease ${directory}: ${String(error)}`)
  })
}

/** Removes the leases of processes that are gone. */
async function sweepLeases(leaseDirectory: string): Promise<void> {
  for (const name of await readdir(leaseDirectory)) {
    const directory = join(leaseDirectory, name)
    const leftOver = name.startsWith(preparationPrefix)
      ? await isOld(directory)
      : !(await hasOwner(directory))
    if (leftOver) await rm(directory, { recursive: true, force: true })
  }
}

async function isOld(directory: string): Promise<boolean> {
  const found = await stat(directory).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > preparationLimitMs
}

/** Names of sockets are at most 107 bytes, so the directory is named by a descriptor instead. */
async function withSocketPath<Result>(
  directory: string,
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const handle = await open(directory, 'r')
  try {
    return await use(`/proc/self/fd/${handle.fd}/${socketName}`)
  } finally {
    await handle.close()
  }
}

function listenIn(directory: string): Promise<Server> {
  return withSocketPath(
    directory,
    (path) =>
      new Promise((resolve, reject) => {
        const server = createServer((connection) => connection.destroy())
        server.once('error', reject)
        server.listen(path, () => resolve(server.unref()))
      }),
  )
}

/** Whether somebody listens; whatever is not a clear "nobody" counts as somebody. */
async function hasOwner(directory: string): Promise<boolean> {
  const nobody = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTDIR'])
  try {
    return await withSocketPath(directory, canConnect)
  } catch (error) {
    return !nobody.has((error as NodeJS.ErrnoException).code ?? '')
  }
}

function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect(path)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', reject)
  })
}
