import { combineCrc32 } from '#core/compression/combine-crc32.ts'
import { endOfArchive } from '#core/tar/tar-header.ts'
import type { LayerContent, MeasuredPath } from '#engine/ports/packer.ts'
import { ArchiveDigest } from './archive-digest.ts'
import type { BlockRing } from './block-ring.ts'
import { Cancelled, ChunkSender, type ChunkPost } from './chunk-sender.ts'
import { compressSegment, type Segment, type WriteSegment } from './compress-segment.ts'
import { layerFormatOf } from './layer-format.ts'
import { LayerOutput } from './layer-output.ts'
import type { SegmentCache } from './segment-cache.ts'
import { prepareStorePath, sendStorePath } from './send-store-path.ts'
import type { PackAnswer, PackJob } from './worker-messages.ts'

export interface CoordinatorTools {
  readonly ring: BlockRing
  readonly storeDirectory: string
  /** Absent when segments are not kept. */
  readonly segments: SegmentCache | undefined
  /** Memory for bytes on their way out, which go with the answer. */
  readonly takeChunk: ChunkPost['take']
  readonly post: (answer: PackAnswer) => void
}

/**
 * Makes layers: reads store paths into the blocks of the ring, hashes the archive, and takes what
 * comes out of the ring. A job ends with its answer, which may come while the next one is filled in.
 */
export class Coordinator {
  readonly #tools: CoordinatorTools

  constructor(tools: CoordinatorTools) {
    this.#tools = tools
  }

  /** Reads all of a job; the last blocks of it may still be under way afterwards. */
  run(job: PackJob): void {
    const { takeChunk, post } = this.#tools
    const { id, control } = job
    const archive = new ArchiveDigest()
    const send = (bytes: Uint8Array<ArrayBuffer>) =>
      post({ id, kind: 'chunk', bytes, archivedBytes: archive.sizeBytes })
    const output = new LayerOutput(new ChunkSender(control, { take: takeChunk, send }))
    try {
      this.#run(job, archive, output)
    } catch (error) {
      output.drop()
      post(error instanceof Cancelled ? { id, kind: 'cancelled' } : describeFailure(id, error))
    }
  }

  #run(job: PackJob, archive: ArchiveDigest, output: LayerOutput): void {
    const { work } = job
    if (work.kind === 'segment') this.#prepare(job, work.measured, output)
    else this.#pack(job, work.content, archive, output)
  }

  #pack(
    { id, compression }: PackJob,
    content: LayerContent,
    archive: ArchiveDigest,
    output: LayerOutput,
  ): void {
    const { ring, post } = this.#tools
    const format = layerFormatOf(compression.codec)
    const target = { ring, compression, archive, check: output.check, deliver: output.accept }
    let crc = 0
    const add = (segment: Segment) => {
      crc = combineCrc32(crc, segment.crc, segment.sizeBytes)
    }
    ring.afterwards(() => output.accept(format.start))
    switch (content.kind) {
      case 'store-paths':
        add(compressSegment(writeStoreDirectory, target))
        for (const measured of content.paths.toSorted(comparePaths))
          add(sendStorePath(measured, { ...this.#tools, ...target }))
        break
      case 'entries':
        add(compressSegment((sink) => sink.entries(content.entries), target))
    }
    add(compressSegment((sink) => sink.append(endOfArchive), target))
    const diffId = archive.digest()
    const archiveSizeBytes = archive.sizeBytes
    ring.afterwards(() => {
      output.accept(format.end(crc, archiveSizeBytes))
      const sent = output.end()
      if (sent === undefined) post({ id, kind: 'cancelled' })
      else post({ id, kind: 'packed', layer: { ...sent, diffId, archiveSizeBytes } })
    })
  }

  /** Gives no bytes to the output; it tells whether the segment is still wanted. */
  #prepare({ id, compression }: PackJob, measured: MeasuredPath, output: LayerOutput): void {
    const { ring, post } = this.#tools
    prepareStorePath(measured, { ...this.#tools, compression, check: output.check })
    ring.afterwards(() => post({ id, kind: 'prepared' }))
  }
}

const writeStoreDirectory: WriteSegment = (sink) => {
  sink.header({ kind: 'directory', path: 'nix', mode: 0o755 })
  sink.header({ kind: 'directory', path: 'nix/store', mode: 0o755 })
}

function comparePaths(one: MeasuredPath, other: MeasuredPath): number {
  return one.path < other.path ? -1 : 1
}

function describeFailure(id: number, error: unknown): PackAnswer {
  const message = error instanceof Error ? error.message : String(error)
  const denied = error instanceof Error && 'code' in error && error.code === 'EACCES'
  return {
    id,
    kind: 'failed',
    code: denied ? 'NO_PERMISSION' : 'PACK_FAILED',
    message,
    cause: error,
  }
}
