import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { StorageWatch } from '#engine/ports/storage-watch.ts'
import { settledMs } from './file-identity.ts'

/**
 * File systems of this machine, by the numbers of statfs(2): their directories get a new time with every
 * name, at once, and looking at one never waits for a network.
 */
const localFilesystems: readonly number[] = [
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xca451a4e, // bcachefs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
]

/** Whether a directory lies on a file system of this machine. */
export async function isLocal(directory: string): Promise<boolean> {
  const { type } = await statfs(directory)
  return localFilesystems.includes(type >>> 0)
}

interface Seen {
  readonly ino: number
  readonly mtimeMs: number
  readonly ctimeMs: number
}

/**
 * Watches directories by their times. As with the index of git, a time counts only when it is older than
 * the file system's clock is coarse: what changes in the same moment gets the same time.
 */
export function watchDirectories(
  paths: readonly string[],
  nowMs: () => number = Date.now,
): StorageWatch {
  let seen: readonly (Seen | undefined)[] = []
  let state = 0
  let isSettled = false
  /** One look serves all requests that have arrived together. */
  let isLookedAt = false

  function look(): void {
    const found = paths.map((path) => statSync(path, { throwIfNoEntry: false }))
    if (!found.every((each, index) => isSame(each, seen[index]))) {
      seen = found.map((each) => each && pickSeen(each))
      state += 1
      isSettled = false
    }
    isSettled ||= found.every((each) => each !== undefined && settledMs(each) <= nowMs())
    isLookedAt = true
    setImmediate(() => {
      isLookedAt = false
    })
  }

  return {
    state() {
      if (!isLookedAt) look()
      return isSettled ? state : undefined
    },
  }
}

function pickSeen({ ino, mtimeMs, ctimeMs }: Seen): Seen {
  return { ino, mtimeMs, ctimeMs }
}

function isSame(one: Seen | undefined, other: Seen | undefined): boolean {
  return (
    one !== undefined &&
    one.ino === other?.ino &&
    one.mtimeMs === other.mtimeMs &&
    one.ctimeMs === other.ctimeMs
  )
}
