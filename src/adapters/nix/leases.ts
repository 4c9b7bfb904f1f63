import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import {
  ownDirectory,
  sweepDeadOwners,
  type OwnedDirectory,
} from '#adapters/filesystem/owned-directory.ts'
import type { StoreLease } from '#engine/ports/package-builder.ts'

/** Hands out leases: directories for garbage collector roots, below one that belongs to this process. */
export class Leases {
  readonly #owned: OwnedDirectory
  #count = 0

  private constructor(owned: OwnedDirectory) {
    this.#owned = owned
  }

  /** Sweeps what dead processes left and begins to hand out leases. Processes may share the directory. */
  static async open(leaseDirectory: string): Promise<Leases> {
    return guardFilesystem(`cannot use the lease directory ${leaseDirectory}`, async () => {
      await mkdir(leaseDirectory, { recursive: true })
      await sweepDeadOwners(leaseDirectory, Date.now())
      return new Leases(await ownDirectory(leaseDirectory))
    })
  }

  /** A directory of this process for anything that goes when it goes; it may not be there yet. */
  get scratchDirectory(): string {
    return join(this.#owned.path, 'scratch')
  }

  async lease(): Promise<StoreLease> {
    this.#count += 1
    const directory = join(this.#owned.path, String(this.#count))
    await guardFilesystem('cannot keep store paths for a build', () => mkdir(directory))
    return { directory, release: () => removeLease(directory) }
  }

  /** Gives everything back; for an orderly end. */
  close(): Promise<void> {
    return this.#owned.release()
  }
}

/** Never throws: a lease that stays only keeps store paths until the next start. */
async function removeLease(directory: string): Promise<void> {
  // A build that was given up may be making its last links; then the directory is not empty for a moment.
  await rm(directory, { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) => {
    process.emitWarning(`cannot remove the lease ${directory}: ${String(error)}`)
  })
}
