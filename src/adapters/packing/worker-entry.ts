import { createHash } from 'node:crypto'
import { flushCompileCache } from 'node:module'
import { parentPort } from 'node:worker_threads'
import { digestFromHash } from '#core/oci/digest.ts'
import { endOfArchive, formatTarHeader, paddingBytes } from '#core/tar/tar-header.ts'
import type { TarEntry } from '#core/tar/tar-entry.ts'
import { Cancelled, ChunkSender } from './chunk-sender.ts'
import { GzipMember } from './gzip-member.ts'
import { readStorePath, type EntrySink } from './read-store-path.ts'
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
      for (const path of [...content.paths].sort()) {
        const baseName = path.slice(path.lastIndexOf('/') + 1)
        readStorePath(
          { source: `${storeDirectory}/${baseName}`, path: `nix/store/${baseName}` },
          sink,
        )
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
