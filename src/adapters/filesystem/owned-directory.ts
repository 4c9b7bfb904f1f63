import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
  type FileHandle,
} from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { createServer, connect, type Server } from 'node:net'
import { join } from 'node:path'
import { unfitFilesystemError } from './filesystem-error.ts'

/**
 * A directory below a shared parent that belongs to this process while it lives.
 *
 *     staging/
 *       3f0c…/            one owner
 *         .owner          a listening socket: alive while connecting to it works
 *         .boot           id of the kernel's boot that the owner runs under
 *         …               what the owner keeps there
 *
 * A socket and not a file lock, because Node has no locks; and not a process id, because ids are
 * used again and mean nothing between containers. The kernel closes the socket however the owner
 * ends, `kill -9` included.
 */
export interface OwnedDirectory {
  readonly path: string
  /** Removes the directory with its contents. */
  release(): Promise<void>
}

// A socket cannot be reached from another machine that mounts the same directory, so what another
// kernel's boot left is dead only when nothing in it changed for as long as no upload takes.
const foreignGraceMs = 24 * 60 * 60 * 1000

// An owner that has nothing to do changes nothing, so it says that it lives.
const signOfLifeMs = 60 * 60 * 1000

const unfinishedSuffix = '.new'

/** Makes a directory of this process below `parent`, which is made if need be. */
export async function ownDirectory(parent: string): Promise<OwnedDirectory> {
  const path = join(parent, randomUUID())
  const unfinished = `${path}${unfinishedSuffix}`
  await mkdir(unfinished, { recursive: true, mode: 0o700 })
  await writeFile(join(unfinished, '.boot'), await bootId())
  const directory = await open(unfinished)
  const server = await listen(socketPath(directory)).catch(async (error: unknown) => {
    await directory.close()
    await rm(unfinished, { recursive: true })
    throw unfitFilesystemError(error, parent, 'Unix sockets')
  })
  // Only now, with its owner listening, does it get the name that a sweeper judges.
  await rename(unfinished, path)
  const signs = setInterval(() => void giveSignOfLife(path), signOfLifeMs).unref()
  return {
    path,
    async release() {
      clearInterval(signs)
      await new Promise((resolve) => server.close(resolve))
      await directory.close()
      await rm(path, { recursive: true, force: true })
    },
  }
}

async function giveSignOfLife(path: string): Promise<void> {
  const now = new Date()
  await utimes(join(path, '.boot'), now, now).catch((error: unknown) => {
    process.emitWarning(`cannot keep ${path} from being swept: ${String(error)}`)
  })
}

/** Removes what dead owners left below `parent`; gives the paths that were removed. */
export async function sweepDeadOwners(parent: string, now: number): Promise<readonly string[]> {
  const swept: string[] = []
  for (const name of await namesIn(parent)) {
    const path = join(parent, name)
    if (await isAlive(path, now)) continue
    await rm(path, { recursive: true, force: true })
    swept.push(path)
  }
  return swept
}

async function isAlive(path: string, now: number): Promise<boolean> {
  const boot = await readFile(join(path, '.boot'), 'utf8').catch(() => undefined)
  const unreachable = boot !== (await bootId()) || path.endsWith(unfinishedSuffix)
  if (unreachable) return now - (await lastChange(path)) < foreignGraceMs
  const directory = await open(path).catch(() => undefined)
  if (directory === undefined) return false
  try {
    return await answers(socketPath(directory))
  } finally {
    await directory.close()
  }
}

// A socket's address holds 107 bytes; through the open directory any path is short enough.
function socketPath(directory: FileHandle): string {
  return `/proc/self/fd/${directory.fd}/.owner`
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    server.listen(path, () => resolve(server.unref()))
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

async function lastChange(path: string): Promise<number> {
  const names = await namesIn(path)
  const times = await Promise.all(
    [path, ...names.map((name) => join(path, name))].map(async (entry) => {
      const info = await stat(entry).catch(() => undefined)
      return info?.mtimeMs ?? 0
    }),
  )
  return Math.max(...times)
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}
