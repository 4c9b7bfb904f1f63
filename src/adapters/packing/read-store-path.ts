import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs'
import type { TarHeader } from '#core/tar/tar-header.ts'

/** Where the entries of an archive go; contents follow their header. */
export interface EntrySink {
  header(header: TarHeader): void
  /** Memory to read contents into; never empty. */
  room(): Buffer
  /** Says how many bytes of the room were filled. */
  advance(filledBytes: number): void
  /** Ends contents of that size. */
  pad(sizeBytes: number): void
}

/** The tree of a store path cannot be packed: it changed under our eyes or holds a device. */
export class UnpackableError extends Error {}

// As Nix writes them. Taken from the executable bit alone, so that a store that was copied with
// other tools gives the same bytes.
const directoryMode = 0o555
const executableMode = 0o555
const plainMode = 0o444
const ownerExecutes = 0o100

/** A name in the file system and in the archive; both are bytes, as Latin-1 strings. */
interface Place {
  readonly source: string
  readonly path: string
}

/**
 * Sends a file, link or tree to an archive, in byte order of the paths. Hard links become copies:
 * whether two files share an inode depends on the store optimisation of the machine, and must not
 * change a layer.
 */
export function readStorePath(place: Place, sink: EntrySink): void {
  if (sendEntry(place, sink) === 'directory') sendContents(place, sink)
}

/** Recursion ends where Linux does: a path has at most 4,096 bytes. */
function sendContents(directory: Place, sink: EntrySink): void {
  const children = readdirSync(bytesOf(directory.source), {
    // With names as text, Node fails in file systems that do not tell the types of names.
    encoding: 'buffer',
    withFileTypes: true,
  })
  // `a-b` comes after `a`, but before `a/x`: `a` stands for the directory, `a/` for its contents.
  const steps = children.flatMap((child) => {
    const name = child.name.toString('latin1')
    return child.isDirectory() ? [name, `${name}/`] : [name]
  })
  for (const step of steps.sort()) {
    const name = step.replace('/', '')
    const place = { source: `${directory.source}/${name}`, path: `${directory.path}/${name}` }
    if (step === name) sendEntry(place, sink)
    else sendContents(place, sink)
  }
}

function sendEntry({ source, path }: Place, sink: EntrySink): TarHeader['kind'] {
  const stats = lstatSync(bytesOf(source))
  if (stats.isDirectory()) {
    sink.header({ kind: 'directory', path, mode: directoryMode })
    return 'directory'
  }
  if (stats.isSymbolicLink()) {
    const target = readlinkSync(bytesOf(source), { encoding: 'latin1' })
    sink.header({ kind: 'symlink', path, target })
    return 'symlink'
  }
  if (stats.isFile()) {
    const mode = (stats.mode & ownerExecutes) === 0 ? plainMode : executableMode
    sink.header({ kind: 'file', path, mode, sizeBytes: stats.size })
    sendFile(source, stats.size, sink)
    return 'file'
  }
  throw new UnpackableError(`${source} is neither a file nor a directory nor a link`)
}

/** Sends exactly the size that the header promised. */
function sendFile(source: string, sizeBytes: number, sink: EntrySink): void {
  const file = openSync(bytesOf(source), constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    let missingBytes = sizeBytes
    let isAtEnd = false
    while (missingBytes > 0) {
      const room = sink.room()
      // One byte more than there should be, where there is room: none comes, so the end is seen, too.
      const wantedBytes = Math.min(room.length, missingBytes + 1)
      const readBytes = readSync(file, room, 0, wantedBytes, null)
      if (readBytes === 0 || readBytes > missingBytes) throw changed(source, sizeBytes)
      sink.advance(readBytes)
      missingBytes -= readBytes
      isAtEnd = readBytes < wantedBytes
    }
    if (!isAtEnd && readSync(file, Buffer.alloc(1)) !== 0) throw changed(source, sizeBytes)
  } finally {
    closeSync(file)
  }
  sink.pad(sizeBytes)
}

function changed(source: string, sizeBytes: number): UnpackableError {
  return new UnpackableError(`${source} no longer has the ${sizeBytes} bytes it began with`)
}

function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1')
}
