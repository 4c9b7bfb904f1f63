import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'

/** Why a test that mounts a disk is skipped, or false. */
export const skipUnlessMounting = skipUnless(['mount', 'umount'], { root: true })

/** A disk of so many KiB in memory, or `undefined`, the test being skipped, where none can be had. */
export async function mountTinyDisk(
  context: TestContext,
  sizeKib: number,
): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-disk-'))
  const options = ['-t', 'tmpfs', '-o', `size=${sizeKib}k`]
  const { exitCode, stderr } = await runCommand('mount', [...options, 'tmpfs', directory])
  context.after(async () => {
    if (exitCode === 0) await runCommand('umount', ['--lazy', directory])
    await rm(directory, { recursive: true })
  })
  if (exitCode === 0) return directory
  context.skip(`no tmpfs can be mounted here: ${stderr.trim()}`)
  return undefined
}
