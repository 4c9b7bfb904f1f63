import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs'
import { narEntryBytes, narStartBytes, type NarEntry } from '#core/nix/nar-size.ts'

/** The size of the NAR archive of a tree on disk, as Nix's database would have it; 0 when there is none. */
export function measureTree(path: string): number {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 0 : narStartBytes + measureEntry(Buffer.from(path), stats)
}

function measureEntry(path: Buffer, stats: Stats, name?: string): number {
  const own = narEntryBytes(narEntry(path, stats), name)
  if (!stats.isDirectory()) return own
  return readdirSync(path, { encoding: 'buffer' }).reduce((bytes, child) => {
    const place = Buffer.concat([path, Buffer.from('/'), child])
    return bytes + measureEntry(place, lstatSync(place), child.toString('latin1'))
  }, own)
}

function narEntry(path: Buffer, stats: Stats): NarEntry {
  if (stats.isDirectory()) return { kind: 'directory' }
  if (stats.isSymbolicLink()) {
    return { kind: 'symlink', target: readlinkSync(path, { encoding: 'latin1' }) }
  }
  return { kind: 'file', sizeBytes: stats.size, executable: (stats.mode & 0o100) !== 0 }
}
