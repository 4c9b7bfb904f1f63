/** Enough of the start of an archive to hold what git writes there: two blocks. */
export const archiveStartBytes = 1024

/**
 * The commit that `git archive` and the servers that use it write into the global header at the start
 * of a tar archive (pax, POSIX.1-2001: type `g`, then records of `length key=value`).
 */
export function parseArchiveCommit(start: Uint8Array): string | undefined {
  const header = Buffer.from(start)
  if (header.length < archiveStartBytes || header.toString('latin1', 156, 157) !== 'g')
    return undefined
  const sizeBytes = Number.parseInt(header.toString('latin1', 124, 136), 8)
  const records = header.toString('latin1', 512, 512 + sizeBytes)
  return /(?:^|\n)52 comment=([0-9a-f]{40})\n/.exec(records)?.[1]
}
