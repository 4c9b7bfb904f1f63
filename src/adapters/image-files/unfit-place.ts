import { access, constants, lstat, realpath, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { UnfitDestination } from '#engine/ports/image-destination.ts'

/** What failed system calls say of a place, and what to do. Others are rare, and say what they are. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist: make it first',
  ENOTDIR: 'what its path calls a directory is a file: choose another place',
  EACCES: 'this user may not write there: choose another place, or change its permissions',
  EPERM: 'this user may not write there: choose another place, or change its permissions',
  EROFS: 'its file system is read-only: choose another place',
  ENOSPC: 'its file system is full: free some space, or choose another place',
  EDQUOT: 'the disk quota of this user is used up: free some space, or choose another place',
}

/** Runs file system calls that write an image; a failure names the place, as whoever chose it did. */
export async function writingTo<T>(place: string, calls: () => Promise<T>): Promise<T> {
  try {
    return await calls()
  } catch (error) {
    if (!isSystemError(error) || error.syscall === 'read') throw error
    const reason = reasons[error.code]
    throw reason === undefined
      ? new UnfitDestination(`${place} cannot be written`, { cause: error })
      : new UnfitDestination(`${place} cannot be written: ${reason}`)
  }
}

/** The storage that the image is read from says of its failures itself whose they are. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'code' in error && 'syscall' in error
}

/** Throws unless files can be made in a directory, or the directory with those above that it lacks. */
export async function requireWritable(directory: string): Promise<void> {
  let nearest = resolve(directory)
  while (!(await isTaken(nearest))) nearest = dirname(nearest)
  if (!(await stat(await followLinks(nearest))).isDirectory())
    throw new UnfitDestination(`${nearest} is a file, and must be a directory`)
  await access(nearest, constants.W_OK | constants.X_OK)
}

/** The path that symbolic links lead to: what replaces a file must not replace a link to it. */
export async function followLinks(path: string): Promise<string> {
  if (!(await isTaken(path))) return path
  const target = await unlessMissing(realpath(path))
  if (target !== undefined) return target
  throw new UnfitDestination(`${path} is a link that leads nowhere: remove it, or make its target`)
}

/** Whether something has the name, be it a link that leads nowhere. */
async function isTaken(path: string): Promise<boolean> {
  try {
    return (await unlessMissing(lstat(path))) !== undefined
  } catch (error) {
    // A file has no name below it; it is found one level up.
    if (isSystemError(error) && error.code === 'ENOTDIR') return false
    throw error
  }
}
