import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './run-command.ts'

export type ScratchDirectory = AsyncDisposable & { readonly path: string }

/** A directory that goes with everything in it, mounts included, when its test ends. */
export async function makeScratchDirectory(): Promise<ScratchDirectory> {
  // Short, because the paths of sockets in it are limited to 108 bytes.
  const path = await mkdtemp(join(tmpdir(), 'nixery-'))
  return {
    path,
    async [Symbol.asyncDispose]() {
      await unmountBelow(path)
      // What a daemon had started dies a moment after it, and may write until then.
      await rm(path, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

/** Daemons that were killed leave overlays and shm mounts behind. */
export async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => unescapeMountPath(line.split(' ')[1] ?? ''))
    .filter((mountPath) => mountPath.startsWith(`${directory}/`))
  // The last mounted one may lie on an earlier one.
  for (const mountPath of mounts.toReversed()) {
    await runCommand('umount', ['--lazy', mountPath], { timeoutMs: 10_000 })
  }
}

/** The kernel writes blanks in paths as octal escapes, proc(5). */
function unescapeMountPath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}
