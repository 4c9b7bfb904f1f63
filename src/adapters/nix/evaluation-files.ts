import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import { unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { replaceFile } from '#adapters/popularity/replace-file.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { parseStorePath } from '#core/nix/store-path.ts'
import type { CacheKey } from '#core/request/cache-key.ts'

/** One for each set, system and policy; older ones are of states that nobody pulls any more. */
const mostFiles = 64

/** 2,000 packages of half a kilobyte, with room; a file that is longer was not written here. */
const fileLimitBytes = 8 * 1024 * 1024

const storePath = z.string().transform((text, context) => {
  const path = parseStorePath(text)
  if (path !== undefined) return path
  context.addIssue('no store path')
  return z.NEVER
})

const foundPackage = z.object({
  kind: z.literal('found'),
  package: z.string(),
  attributePath: z.array(z.string()),
  derivation: storePath,
  outputs: z.array(z.object({ name: z.string(), path: storePath })),
})
const fileSchema = z.array(foundPackage)

/**
 * Found packages on the disk, a file for each view of a package set: `<key>.json`. It is a cache: a
 * file that is damaged or cannot be written costs an evaluation, not a request.
 */
export class EvaluationFiles {
  readonly #directory: string
  readonly #report: (error: unknown) => void

  /** `report` hears of files that cannot be read or written. */
  constructor(directory: string, report: (error: unknown) => void) {
    this.#directory = directory
    this.#report = report
  }

  async read(key: CacheKey): Promise<readonly FoundPackage[]> {
    try {
      const info = await unlessMissing(stat(this.#path(key)))
      if (info === undefined || info.size > fileLimitBytes) return []
      return fileSchema.parse(JSON.parse(await readFile(this.#path(key), 'utf8')))
    } catch (error) {
      this.#report(error)
      return []
    }
  }

  async write(key: CacheKey, packages: readonly FoundPackage[]): Promise<void> {
    try {
      await replaceFile(this.#path(key), JSON.stringify(packages))
      await this.#removeOldest()
    } catch (error) {
      this.#report(error)
    }
  }

  async #removeOldest(): Promise<void> {
    const names = await readdir(this.#directory)
    if (names.length <= mostFiles) return
    const ages = names.map(async (name) => {
      const path = join(this.#directory, name)
      return { path, writtenMs: (await unlessMissing(stat(path)))?.mtimeMs ?? 0 }
    })
    const files = (await Promise.all(ages)).sort((a, b) => b.writtenMs - a.writtenMs)
    for (const { path } of files.slice(mostFiles)) await rm(path, { force: true })
  }

  #path(key: CacheKey): string {
    return join(this.#directory, `${key}.json`)
  }
}
