import { join } from 'node:path'
import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import { ownDirectory, sweepDeadOwners } from '#adapters/filesystem/owned-directory.ts'
import { SpoolRoom } from './spool-room.ts'

/**
 * A directory on local disk where uploads keep their bytes until a bucket has them, so that a part
 * can be sent again. What dead processes left there is removed when it is opened.
 */
export interface Spool {
  readonly room: SpoolRoom
  /** The path of a file that does not exist yet. */
  newPath(): string
  /** Removes everything; no upload may be in progress. */
  close(): Promise<void>
}

/** `mostBytes` bounds what all uploads have there, but for one part of each; see `SpoolRoom`. */
export async function openSpool(directory: string, mostBytes: number): Promise<Spool> {
  const owned = await guardFilesystem(`cannot use the directory ${directory}`, async () => {
    await sweepDeadOwners(directory, Date.now())
    return ownDirectory(directory)
  })
  let files = 0
  return {
    room: new SpoolRoom(mostBytes),
    newPath() {
      files += 1
      return join(owned.path, String(files))
    },
    close: () => owned.release(),
  }
}
