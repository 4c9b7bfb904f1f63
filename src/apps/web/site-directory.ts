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
  const reading = readdir(directory, { withFileTypes: true })
  const entries = (await (directory === root ? unlessGone(reading) : unlessHidden(reading))) ?? []
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
  const target = await unlessHidden(realpath(path))
  if (target === undefined || !target.startsWith(root + sep)) return undefined
  return (await unlessHidden(stat(target)))?.isFile() === true ? target : undefined
}

const goneCodes = ['ENOENT', 'ENOTDIR', 'ELOOP']

/** What is removed meanwhile, or leads nowhere, is not there. */
async function unlessGone<T>(looking: Promise<T>, codes = goneCodes): Promise<T | undefined> {
  try {
    return await looking
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Nor is what the service may not read, such as the `lost+found` of a volume. */
function unlessHidden<T>(looking: Promise<T>): Promise<T | undefined> {
  return unlessGone(looking, [...goneCodes, 'EACCES'])
}
