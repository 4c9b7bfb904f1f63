import { createHash } from 'node:crypto'
import { flushCompileCache } from 'node:module'
import { parentPort } from 'node:worker_threads'
import { digestFromHash } from '#core/oci/digest.ts'
import { narEntryBytes, narStartBytes, type NarEntry } from '#core/nix/nar-size.ts'
import {
  endOfArchive,
  formatTarHeader,
  paddingBytes,
  type TarHeader,
} from '#core/tar/tar-header.ts'
import type { MeasuredPath } from '#engine/ports/packer.ts'
import type { TarEntry } from '#core/tar/tar-entry.ts'
import { Cancelled, ChunkSender } from './chunk-sender.ts'
import { GzipMember } from './gzip-member.ts'
import { readStorePath, UnpackableError, type EntrySink } from './read-store-path.ts'
import type { PackJob, WorkerMessage } from './worker-messages.ts'

// Runs on a worker thread. Imports stay few: each one costs start time and memory per thread.
// With NODE_COMPILE_CACHE set, Node keeps the code without types, and loads the stripper only where
// the cache lacks a file; it would write the cache when the process ends, too late for the next
// thread and never after a kill.
flushCompileCache()

const port = parentPort
if (port === null) throw new Error('worker-entry.ts is started as a worker thread')
port.on('message', (job: PackJob) => post(runJob(job)))

function post(message: WorkerMessage): void {
  port!.postMessage(message, message.kind === 'chunk' ? [message.bytes.buffer] : [])
}

function runJob(job: PackJob): WorkerMessage {
  try {
    return packLayer(job)
  } catch (error) {
    if (error instanceof Cancelled) return { kind: 'cancelled' }
    return describeFailure(error)
  }
}

function packLayer({ content, level, storeDirectory, control }: PackJob): WorkerMessage {
  const hash = createHash('sha256')
  const sender = new ChunkSender(control, (bytes) => post({ kind: 'chunk', bytes }))
  const member = new GzipMember(level, (compressed) => {
    sender.throwIfCancelled()
    hash.update(compressed)
    sender.append(compressed)
  })
  const sink = archiveSink(member)
  switch (content.kind) {
    case 'store-paths':
      sink.header({ kind: 'directory', path: 'nix', mode: 0o755 })
      sink.header({ kind: 'directory', path: 'nix/store', mode: 0o755 })
      for (const measured of content.paths.toSorted(comparePaths)) {
        packStorePath(measured, storeDirectory, sink)
      }
      break
    case 'entries':
      for (const entry of content.entries) sendEntry(entry, member, sink)
  }
  member.append(endOfArchive)
  const diffId = member.end()
  sender.flush()
  const digest = digestFromHash(hash)
  const { sentBytes: sizeBytes } = sender
  return {
    kind: 'packed',
    layer: { digest, sizeBytes, diffId, archiveSizeBytes: member.sizeBytes },
  }
}

/** Checks the size on the way: after a power cut, a path that Nix takes for valid may hold empty files. */
function packStorePath(
  { path, narSizeBytes }: MeasuredPath,
  storeDirectory: string,
  sink: EntrySink,
): void {
  const baseName = path.slice(path.lastIndexOf('/') + 1)
  const top = `nix/store/${baseName}`
  let measuredBytes = narStartBytes
  const measuringSink: EntrySink = {
    ...sink,
    header(header) {
      measuredBytes += narEntryBytes(narEntry(header), nameBelow(top, header.path))
      sink.header(header)
    },
  }
  readStorePath({ source: `${storeDirectory}/${baseName}`, path: top }, measuringSink)
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

function comparePaths(one: MeasuredPath, other: MeasuredPath): number {
  return one.path < other.path ? -1 : 1
}

function archiveSink(member: GzipMember): EntrySink {
  return {
    header: (header) => member.append(formatTarHeader(header)),
    room: () => member.room,
    advance: (filledBytes) => member.advance(filledBytes),
    pad: (sizeBytes) => member.append(new Uint8Array(paddingBytes(sizeBytes))),
  }
}

function sendEntry(entry: TarEntry, member: GzipMember, sink: EntrySink): void {
  if (entry.kind !== 'file') {
    sink.header(entry)
    return
  }
  const { contents, ...rest } = entry
  sink.header({ ...rest, sizeBytes: contents.length })
  member.append(contents)
  sink.pad(contents.length)
}

function describeFailure(error: unknown): WorkerMessage {
  const message = error instanceof Error ? error.message : String(error)
  const denied = error instanceof Error && 'code' in error && error.code === 'EACCES'
  return { kind: 'failed', code: denied ? 'NO_PERMISSION' : 'PACK_FAILED', message, cause: error }
}
