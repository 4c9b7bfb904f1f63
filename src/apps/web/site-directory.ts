import { readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'

/** What a directory of pages holds: paths of files, links resolved, by their URL path below it. */
export type SiteFiles = ReadonlyMap<string, string>

// Pages are a few dozen files; an operator's own are bounded so that a wrong setting costs little.
const mostFiles = 10_000

// A page asks for several files within a second, and whoever changes files waits for this long.
const rereadMs = 2000

/**
 * The files of a directory that may be sent. Nothing of a request reaches the file system: only what a
 * walk has found is there. Left out are names that begin with a dot, and links that lead out of the
 * directory or to directories.
 */
export class SiteDirectory {
  readonly #root: string
  readonly #nowMs: () => number
  #files: Promise<SiteFiles | undefined> | undefined
  #readAtMs = 0

  constructor(root: string, nowMs: () => number) {
    this.#root = root
    this.#nowMs = nowMs
  }

  /** `undefined` when the directory does not exist. */
  files(): Promise<SiteFiles | undefined> {
    const nowMs = this.#nowMs()
    if (this.#files === undefined || nowMs - this.#readAtMs > rereadMs) {
      this.#files = readSite(this.#root)
      this.#readAtMs = nowMs
    }
    return this.#files
  }
}

async function readSite(directory: string): Promise<SiteFiles | undefined> {
  const root = await unlessGone(realpath(directory))
  if (root === undefined || !(await stat(root)).isDirectory()) return undefined
  const files = new Map<string, string>()
  await addFiles(files, root, root, '')
  return files
}

async function addFiles(
  files: Map<string, string>,
  root: string,
  directory: string,
  prefix: string,
): Promise<void> {
  const entries = (await unlessGone(readdir(directory, { withFileTypes: true }))) ?? []
  for (const entry of entries) {
    if (entry.name.startsWith('.') || files.size >= mostFiles) continue
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await addFiles(files, root, path, `${prefix}${entry.name}/`)
    else if (entry.isFile()) files.set(`${prefix}${entry.name}`, path)
    else if (entry.isSymbolicLink()) {
      const target = await linkedFile(root, path)
      if (target !== undefined) files.set(`${prefix}${entry.name}`, target)
    }
  }
}

async function linkedFile(root: string, path: string): Promise<string | undefined> {
  const target = await unlessGone(realpath(path))
  if (target === undefined || !target.startsWith(root + sep)) return undefined
  return (await unlessGone(stat(target)))?.isFile() === true ? target : undefined
}

/** What is removed meanwhile, or leads nowhere, is not there. */
async function unlessGone<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) return undefined
    throw error
  }
}
