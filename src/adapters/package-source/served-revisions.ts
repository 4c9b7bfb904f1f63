import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import {
  ownDirectory,
  sweepDeadOwners,
  type OwnedDirectory,
} from '#adapters/filesystem/owned-directory.ts'

/**
 * The revisions that the processes of one state directory serve, so that nobody removes one in use:
 *
 *     served/<owner>/<revision>   an empty file in a directory of the process that serves it
 */
export class ServedRevisions {
  readonly #directory: string
  readonly #owned: OwnedDirectory

  private constructor(directory: string, owned: OwnedDirectory) {
    this.#directory = directory
    this.#owned = owned
  }

  static async open(directory: string): Promise<ServedRevisions> {
    return guardFilesystem(`cannot use the directory ${directory}`, async () => {
      await mkdir(directory, { recursive: true })
      return new ServedRevisions(directory, await ownDirectory(directory))
    })
  }

  async hold(revision: string): Promise<void> {
    await guardFilesystem(`cannot hold ${revision}`, () =>
      writeFile(join(this.#owned.path, revision), ''),
    )
  }

  async release(revision: string): Promise<void> {
    await guardFilesystem(`cannot release ${revision}`, () =>
      rm(join(this.#owned.path, revision), { force: true }),
    )
  }

  /** What any live process holds. */
  async all(): Promise<ReadonlySet<string>> {
    return guardFilesystem(`cannot read the directory ${this.#directory}`, async () => {
      await sweepDeadOwners(this.#directory, Date.now())
      const owners = await readdir(this.#directory)
      const held = owners.map((owner) => unlessMissing(readdir(join(this.#directory, owner))))
      return new Set((await Promise.all(held)).flatMap((names) => names ?? []))
    })
  }

  /** Gives everything back; for an orderly end. */
  close(): Promise<void> {
    return this.#owned.release()
  }
}
