import { createHash } from 'node:crypto'
import { combineCrc32 } from '#core/compression/combine-crc32.ts'
import { digestFromHash } from '#core/oci/digest.ts'
import { endOfArchive } from '#core/tar/tar-header.ts'
import type { LayerContent, MeasuredPath } from '#engine/ports/packer.ts'
import type { BlockRing } from './block-ring.ts'
import { Cancelled, ChunkSender } from './chunk-sender.ts'
import { compressSegment, type WriteSegment } from './compress-segment.ts'
import { layerFormatOf } from './layer-format.ts'
import { LayerOutput } from './layer-output.ts'
import { readMeasuredPath } from './read-measured-path.ts'
import type { PackAnswer, PackJob } from './worker-messages.ts'

export interface CoordinatorTools {
  readonly ring: BlockRing
  readonly storeDirectory: string
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
    const { post } = this.#tools
    const { id, control } = job
    const output = new LayerOutput(
      new ChunkSender(control, (bytes) => post({ id, kind: 'chunk', bytes })),
    )
    try {
      this.#run(job, output)
    } catch (error) {
      output.drop()
      post(error instanceof Cancelled ? { id, kind: 'cancelled' } : describeFailure(id, error))
    }
  }

  #run({ id, work, compression }: PackJob, output: LayerOutput): void {
    const { ring, post } = this.#tools
    if (work.kind === 'segment') return post({ id, kind: 'prepared' })
    const format = layerFormatOf(compression.codec)
    const archive = createHash('sha256')
    let crc = 0
    let archiveSizeBytes = 0
    ring.afterwards(() => output.accept(format.start))
    for (const write of this.#segmentsOf(work.content)) {
      const segment = compressSegment(write, {
        ring,
        compression,
        archive,
        check: output.check,
        deliver: output.accept,
      })
      crc = combineCrc32(crc, segment.crc, segment.sizeBytes)
      archiveSizeBytes += segment.sizeBytes
    }
    const diffId = digestFromHash(archive)
    ring.afterwards(() => {
      output.accept(format.end(crc, archiveSizeBytes))
      const sent = output.end()
      if (sent === undefined) post({ id, kind: 'cancelled' })
      else post({ id, kind: 'packed', layer: { ...sent, diffId, archiveSizeBytes } })
    })
  }

  #segmentsOf(content: LayerContent): WriteSegment[] {
    const end: WriteSegment = (sink) => sink.append(endOfArchive)
    if (content.kind === 'entries')
      return [(sink) => content.entries.forEach((entry) => sink.entry(entry)), end]
    const paths = content.paths.toSorted(comparePaths).map(
      (measured): WriteSegment =>
        (sink) =>
          readMeasuredPath(measured, this.#tools.storeDirectory, sink),
    )
    return [writeStoreDirectory, ...paths, end]
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
