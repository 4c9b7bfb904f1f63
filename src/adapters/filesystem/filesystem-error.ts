import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'

const codes = new Map<string, OperatingCode>([
  ['ENOSPC', 'NO_SPACE'],
  ['EDQUOT', 'NO_SPACE'],
  ['EACCES', 'NO_PERMISSION'],
  ['EPERM', 'NO_PERMISSION'],
  ['EROFS', 'NO_PERMISSION'],
])

/** A failed system call as an operating error; what is none passes through. */
export function filesystemError(error: unknown, doing: string): unknown {
  if (error instanceof OperatingError) return error
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return error
  return new OperatingError(
    codes.get(error.code) ?? 'STORAGE_FAILED',
    `${doing}: ${error.message}`,
    {
      cause: error,
    },
  )
}

// What kernels and servers say of calls that a file system does not have. None of it can be a matter
// of permissions in a directory where the service has just written a file.
const unsupported: readonly unknown[] = ['EPERM', 'EACCES', 'EINVAL', 'ENOSYS', 'ENOTSUP']

/** The error of a call that needs a certain kind of file system, in a directory that is writable. */
export function unfitFilesystemError(error: unknown, directory: string, needed: string): unknown {
  const isUnfit = error instanceof Error && 'code' in error && unsupported.includes(error.code)
  if (!isUnfit) return error
  return new OperatingError(
    'UNFIT_FILESYSTEM',
    `${directory} lies on a file system without ${needed}`,
    { cause: error },
  )
}

/** Runs file system calls; failures come out as operating errors. */
export async function guardFilesystem<T>(doing: string, calls: () => Promise<T>): Promise<T> {
  try {
    return await calls()
  } catch (error) {
    throw filesystemError(error, doing)
  }
}

/** The result, or `undefined` when the file does not exist. */
export async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
