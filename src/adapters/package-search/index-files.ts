import { randomUUID } from 'node:crypto'
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import {
  ownDirectory,
  sweepDeadOwners,
  type OwnedDirectory,
} from '#adapters/filesystem/owned-directory.ts'
import { cacheKeyOf, type CacheKey } from '#core/request/cache-key.ts'

/** Two, because processes that share the directory may be a revision apart; each takes 25 MB. */
const mostPerView = 2

/** Of a source or a policy that is configured no longer. A service that runs for longer has its file open. */
const unusedAfterMs = 30 * 24 * 60 * 60 * 1000

/**
 * Where indexes are:
 *
 *     package-search/
 *       <view>-<set>.sqlite       what is listed of a set, in the view of one source and policy
 *       .unfinished/<owner>/      being written
 *
 * A file appears by a rename and never changes; its time is when a process last began to use it.
 */
export class IndexFiles {
  readonly #directory: string
  #unfinished: OwnedDirectory

  private constructor(directory: string, unfinished: OwnedDirectory) {
    this.#directory = directory
    this.#unfinished = unfinished
  }

  /** Makes the directory, and removes what dead processes left there. */
  static async open(directory: string): Promise<IndexFiles> {
    const unfinished = join(directory, '.unfinished')
    await sweepDeadOwners(unfinished, Date.now())
    return new IndexFiles(directory, await ownDirectory(unfinished))
  }

  pathOf(view: CacheKey, identity: string): string {
    return join(this.#directory, `${prefixOf(view)}${cacheKeyOf(identity).slice(0, 32)}${suffix}`)
  }

  /** The file of the view that was used last; `undefined` when there is none. */
  newest(view: CacheKey): Promise<string | undefined> {
    return newestIndex(this.#directory, view)
  }

  /** Says that the file is in use; false when it is not there. */
  async use(path: string): Promise<boolean> {
    const now = new Date()
    return (await unlessMissing(utimes(path, now, now).then(() => true))) === true
  }

  /** For a file that will be published, or removed. Makes the directory again when it is lost. */
  async newPath(): Promise<string> {
    const { path } = this.#unfinished
    if ((await unlessMissing(stat(path))) === undefined) {
      const lost = this.#unfinished
      this.#unfinished = await ownDirectory(dirname(path))
      await lost.release()
    }
    return join(this.#unfinished.path, randomUUID())
  }

  /** Gives a finished file its place, instead of what may be there, and removes those that are outdated. */
  async publish(finished: string, path: string): Promise<void> {
    await rename(finished, path)
    await this.use(path)
    const files = await listByUse(this.#directory, '')
    const views = Map.groupBy(files, ({ path: other }) => other.slice(0, -setCharacters))
    const outdated = [...views.values()].flatMap((ofView) => ofView.slice(mostPerView))
    const unused = files.filter(({ usedMs }) => Date.now() - usedMs > unusedAfterMs)
    for (const each of [...outdated, ...unused]) await this.remove(each.path)
  }

  async remove(path: string): Promise<void> {
    await rm(path, { force: true })
  }

  /** Removes what is unfinished. */
  close(): Promise<void> {
    return this.#unfinished.release()
  }
}

/** The file of the view that was used last; `undefined` when there is none. Changes nothing. */
export async function newestIndex(directory: string, view: CacheKey): Promise<string | undefined> {
  const [newest] = await listByUse(directory, prefixOf(view))
  return newest?.path
}

async function listByUse(
  directory: string,
  prefix: string,
): Promise<readonly { path: string; usedMs: number }[]> {
  const names = ((await unlessMissing(readdir(directory))) ?? []).filter(
    (name) => name.startsWith(prefix) && name.endsWith(suffix),
  )
  const files = names.map(async (name) => {
    const path = join(directory, name)
    // Another process may remove it meanwhile.
    return { path, usedMs: (await unlessMissing(stat(path)))?.mtimeMs ?? 0 }
  })
  return (await Promise.all(files)).sort((a, b) => b.usedMs - a.usedMs)
}

const suffix = '.sqlite'

const setCharacters = 32 + suffix.length

function prefixOf(view: CacheKey): string {
  return `${view.slice(0, 32)}-`
}
