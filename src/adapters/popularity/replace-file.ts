import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Gives the file its new content at once, or leaves it as it was. Makes its directory. */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  // Two processes may write one file.
  const unfinished = `${path}.${randomUUID()}.new`
  await mkdir(dirname(path), { recursive: true })
  try {
    await writeFile(unfinished, content, { flush: true })
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
  }
}
