import { narEntryBytes, narStartBytes, type NarEntry } from '#core/nix/nar-size.ts'
import type { TarHeader } from '#core/tar/tar-header.ts'
import type { MeasuredPath } from '#engine/ports/packer.ts'
import { readStorePath, UnpackableError, type EntrySink } from './read-store-path.ts'

/**
 * Sends a store path to an archive, as `readStorePath` does, and checks its size on the way: after a
 * power cut, a path that Nix takes for valid may hold empty files. `storeDirectory` is where store
 * paths lie on this machine; in the archive they are below `nix/store`.
 */
export function readMeasuredPath(
  { path, narSizeBytes }: MeasuredPath,
  storeDirectory: string,
  sink: EntrySink,
): void {
  const baseName = path.slice(path.lastIndexOf('/') + 1)
  const top = `nix/store/${baseName}`
  let measuredBytes = narStartBytes
  readStorePath(
    { source: `${storeDirectory}/${baseName}`, path: top },
    {
      header(header) {
        measuredBytes += narEntryBytes(narEntry(header), nameBelow(top, header.path))
        sink.header(header)
      },
      room: () => sink.room(),
      advance: (filledBytes) => sink.advance(filledBytes),
      pad: (sizeBytes) => sink.pad(sizeBytes),
    },
  )
  if (measuredBytes === narSizeBytes) return
  throw new UnpackableError(
    `${path} is damaged: it makes an archive of ${measuredBytes} bytes, Nix's database says ${narSizeBytes}; nix-store --repair-path mends it`,
  )
}

function narEntry(header: TarHeader): NarEntry {
  if (header.kind !== 'file') return header
  return { ...header, executable: (header.mode & 0o111) !== 0 }
}

function nameBelow(top: string, path: string): string | undefined {
  return path === top ? undefined : path.slice(path.lastIndexOf('/') + 1)
}
