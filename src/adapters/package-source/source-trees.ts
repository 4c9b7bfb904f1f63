import { randomUUID } from 'node:crypto'
import { mkdir, readdir, realpath, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import {
  ownDirectory,
  sweepDeadOwners,
  type OwnedDirectory,
} from '#adapters/filesystem/owned-directory.ts'
import { SharedWork } from '#adapters/concurrency/shared-work.ts'
import { runProcess } from '#adapters/process/run-process.ts'

export interface SourceTreesOptions {
  readonly directory: string
  /** Of the service; what writes to the disk gets its PATH. */
  readonly environment: Readonly<NodeJS.ProcessEnv>
  /** Trees that are kept beside those in use; nixpkgs has 300 MB each. */
  readonly mostKept?: number
  readonly now?: () => number
}

// A build may wait this long between fetching its source and evaluating it.
const inUseMs = 24 * 60 * 60 * 1000

const syncTimeoutMs = 10 * 60 * 1000

/**
 * Contents of package sources, each under a key that names it, so they never change:
 *
 *     sources/<key>/source              the constant name is for Nix, which puts it into store paths
 *     sources/.unfinished/<owner>/<id>  being filled, or being removed
 *
 * A tree appears whole, by a rename, and is on the disk by then: a power cut leaves none that is
 * half empty under its final name. The one that publishes first among processes wins.
 */
export class SourceTrees {
  readonly #directory: string
  readonly #searchPath: string
  readonly #mostKept: number
  readonly #now: () => number
  readonly #owned: OwnedDirectory
  readonly #filling = new SharedWork<string>()

  private constructor(directory: string, owned: OwnedDirectory, options: SourceTreesOptions) {
    this.#directory = directory
    this.#searchPath = options.environment['PATH'] ?? ''
    this.#mostKept = options.mostKept ?? 8
    this.#now = options.now ?? Date.now
    this.#owned = owned
  }

  /** Makes the directory, and removes what dead processes left in it. */
  static async open(options: SourceTreesOptions): Promise<SourceTrees> {
    return guardFilesystem(`cannot use the directory ${options.directory}`, async () => {
      const unfinished = join(options.directory, '.unfinished')
      // Not for other users: what is in there was not looked at yet.
      await mkdir(unfinished, { recursive: true, mode: 0o700 })
      await sweepDeadOwners(unfinished, Date.now())
      // Nix compares real paths with what evaluation may read.
      const directory = await realpath(options.directory)
      return new SourceTrees(directory, await ownDirectory(unfinished), options)
    })
  }

  /**
   * The path of the tree with that key; `fill` writes it into an empty directory when it is not there.
   * It stays for at least a day after its last use. What `fill` throws is passed on.
   */
  async tree(
    key: string,
    fill: (directory: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    if (!/^[a-z0-9][a-z0-9_-]{0,200}$/.test(key)) throw new TypeError(`${key} names no tree`)
    // Looked for together too: who found nothing a moment before it was there would fill it again.
    const find = async (until: AbortSignal) =>
      (await this.#use(key)) ?? this.#make(key, fill, until)
    return this.#filling.run(key, find, signal)
  }

  /** Gives back what this process holds; trees stay. */
  async close(): Promise<void> {
    await this.#owned.release()
  }

  /** The tree, marked as used now; `undefined` when there is none. */
  async #use(key: string): Promise<string | undefined> {
    const path = join(this.#directory, key)
    const now = new Date(this.#now())
    const found = await guardFilesystem('cannot use a source', () =>
      unlessMissing(utimes(path, now, now).then(() => true)),
    )
    return found === true ? join(path, 'source') : undefined
  }

  async #make(
    key: string,
    fill: (directory: string, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    const unfinished = join(this.#owned.path, randomUUID())
    const source = join(unfinished, 'source')
    try {
      await guardFilesystem('cannot keep a source', () => mkdir(source, { recursive: true }))
      await fill(source, signal)
      await flush(unfinished, this.#searchPath, signal)
      await this.#publish(unfinished, join(this.#directory, key))
    } finally {
      await rm(unfinished, { recursive: true, force: true })
    }
    await guardFilesystem('cannot remove old sources', () => this.#removeOldest())
    return (await this.#use(key)) ?? this.#make(key, fill, signal)
  }

  async #publish(from: string, to: string): Promise<void> {
    await guardFilesystem('cannot keep a source', async () => {
      const now = new Date(this.#now())
      await utimes(from, now, now)
      try {
        await rename(from, to)
      } catch (error) {
        // Another process was first; its tree has the same content.
        if (!isTaken(error)) throw error
      }
    })
  }

  async #removeOldest(): Promise<void> {
    const names = (await readdir(this.#directory)).filter((name) => !name.startsWith('.'))
    const uses = await Promise.all(names.map(async (name) => [name, await this.#lastUse(name)]))
    const byAge = (uses as Array<[string, number]>).sort((a, b) => b[1] - a[1])
    for (const [name] of byAge.slice(this.#mostKept)) await this.#remove(name)
  }

  async #remove(name: string): Promise<void> {
    if (this.#now() - (await this.#lastUse(name)) < inUseMs) return
    const path = join(this.#directory, name)
    const removed = join(this.#owned.path, randomUUID())
    await unlessMissing(rename(path, removed))
    // Whoever began to use it in between has marked it, and gets it back.
    const info = await unlessMissing(stat(removed))
    if (info !== undefined && this.#now() - info.mtimeMs < inUseMs) await rename(removed, path)
    else await rm(removed, { recursive: true, force: true })
  }

  async #lastUse(name: string): Promise<number> {
    return (await unlessMissing(stat(join(this.#directory, name))))?.mtimeMs ?? 0
  }
}

function isTaken(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}

/** One call for a whole file system costs less than one for each of fifty thousand files. */
async function flush(directory: string, searchPath: string, signal: AbortSignal): Promise<void> {
  const end = await runProcess(
    {
      command: 'sync',
      args: ['--file-system', directory],
      environment: new Map([['PATH', searchPath]]),
      timeoutMs: syncTimeoutMs,
      killGraceMs: 5_000,
      stdoutLimitBytes: 1024,
      errorCodes: { missing: 'STORAGE_FAILED', failed: 'STORAGE_FAILED' },
    },
    signal,
  )
  if (end.kind !== 'succeeded') process.emitWarning(`cannot flush ${directory}: ${end.status}`)
}
