import { appendFileSync, closeSync, openSync } from 'node:fs'
import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import {
  filesystemError,
  guardFilesystem,
  unlessMissing,
} from '#adapters/filesystem/filesystem-error.ts'

/** Takes one store path that was looked up: its hash, and the names that it refers to. */
type Recall = (hash: string, names: readonly string[]) => void

const lineSchema = z.tuple([z.string(), z.array(z.string())])

// A run that is killed looks up again what it had not written yet.
const maxUnwrittenCharacters = 64 * 1024
const maxUnwrittenMs = 1_000

/**
 * What a run that was interrupted leaves to the next one:
 *
 *     {"of":"sha256:…"}                         what the lines below belong to
 *     ["<hash>",["glibc-2.36","zlib-1.2.13"]]   a line per store path, in any order
 *
 * A killed process or a full disk may damage a line, which then counts as not there.
 */
export class WorkFile implements AsyncDisposable {
  readonly #path: string
  readonly #descriptor: number
  // Ends the header, or the half line of a process that was killed.
  #unwritten = '\n'
  #writtenAtMs = performance.now()

  private constructor(path: string, descriptor: number) {
    this.#path = path
    this.#descriptor = descriptor
  }

  /**
   * Opens the file and hands what it holds to `recall`. A file of another identity is begun anew.
   */
  static async open(path: string, identity: string, recall: Recall): Promise<WorkFile> {
    const header = JSON.stringify({ of: identity })
    const descriptor = await guardFilesystem('cannot use the work file', async () => {
      await mkdir(dirname(path), { recursive: true })
      if (!(await recallLines(path, header, recall))) await writeFile(path, header)
      return openSync(path, 'a')
    })
    return new WorkFile(path, descriptor)
  }

  add(hash: string, names: readonly string[]): void {
    this.#unwritten += `${JSON.stringify([hash, names])}\n`
    const isDue = performance.now() - this.#writtenAtMs > maxUnwrittenMs
    if (isDue || this.#unwritten.length > maxUnwrittenCharacters) this.#write()
  }

  /** For when all is done. */
  async remove(): Promise<void> {
    this.#unwritten = ''
    await rm(this.#path, { force: true })
  }

  /** Writes the rest; the next run goes on from here. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#write()
    } finally {
      closeSync(this.#descriptor)
    }
  }

  // Synchronous, because one call per batch costs nothing here and keeps the lines in order.
  #write(): void {
    const lines = this.#unwritten
    this.#unwritten = ''
    this.#writtenAtMs = performance.now()
    try {
      appendFileSync(this.#descriptor, lines)
    } catch (error) {
      throw filesystemError(error, `cannot write ${this.#path}`)
    }
  }
}

/** False when the file is not there or begins with another line than `header`. */
async function recallLines(path: string, header: string, recall: Recall): Promise<boolean> {
  await using file = await unlessMissing(open(path))
  if (file === undefined) return false
  let lines = 0
  for await (const line of file.readLines()) {
    lines += 1
    if (lines === 1 && line !== header) return false
    const entry = parseLine(line)
    if (entry !== undefined) recall(...entry)
  }
  return lines > 0
}

function parseLine(line: string): z.infer<typeof lineSchema> | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data
  } catch {
    // Half a line.
    return undefined
  }
}
