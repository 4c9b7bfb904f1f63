import { accepts } from '#core/oci/accept.ts'
import type { Digest } from '#core/oci/digest.ts'
import { formatEntityTag, matchesEntityTag } from '#core/oci/entity-tag.ts'
import { mediaTypes } from '#core/oci/media-types.ts'
import { BoundedMap } from '#core/memory/bounded-map.ts'
import type { Reference } from '#core/oci/route.ts'
import type { ServedImage } from '#engine/serve-platforms.ts'
import type { Registry } from './registry.ts'
import {
  listHeaders,
  type Exchange,
  type HeaderList,
  type Headers,
  type NotedFacts,
} from './response.ts'

/** A manifest with all that is said of it, ready to be sent any number of times. */
export interface ManifestAnswer {
  /** Each byte as a character (latin1): Node sends text in one piece with the headers, and bytes apart. */
  readonly text: string
  readonly tag: string
  readonly headers: HeaderList
  /** For 304, which has no body. */
  readonly bodilessHeaders: HeaderList
  readonly facts: NotedFacts
}

export interface ManifestFacts {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
  /** What the packages came from, for clients and for the log. */
  readonly more: Headers
  readonly facts: NotedFacts
}

export function makeAnswer({
  digest,
  mediaType,
  bytes,
  more,
  facts,
}: ManifestFacts): ManifestAnswer {
  const tag = formatEntityTag(digest)
  const headers = { ...more, 'Docker-Content-Digest': digest, ETag: tag, Vary: 'Accept' }
  return {
    text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'),
    tag,
    bodilessHeaders: listHeaders(headers),
    headers: listHeaders({
      ...headers,
      'Content-Type': mediaType,
      'Content-Length': bytes.length,
    }),
    facts,
  }
}

export function sendAnswer(exchange: Exchange, answer: ManifestAnswer): void {
  const { request, response } = exchange
  exchange.noted = answer.facts
  if (matchesEntityTag(request.headers['if-none-match'], answer.tag)) {
    response.writeHead(304, answer.bodilessHeaders as string[]).end()
    return
  }
  response.writeHead(200, answer.headers as string[])
  if (request.method === 'HEAD') response.end()
  else response.end(answer.text, 'latin1')
}

// Of one image; clients of a kind send the same Accept header.
const mostAccepts = 8

// Kept texts are bounded as well as their number; those of container clients have 500 characters.
const longestAccept = 2000

/** Of one image. */
interface ImageAnswers {
  /** One for each of its manifests, however many headers choose it: their texts are most of the memory. */
  readonly byTag: Map<string, ManifestAnswer>
  readonly byAccept: BoundedMap<string, ManifestAnswer>
}

// They live as long as what they were made of, which those bound who keep it.
const imageAnswers = new WeakMap<ServedImage, ImageAnswers>()
const documentAnswers = new WeakMap<Uint8Array, ManifestAnswer>()

/** For the next request with the same headers that is answered from the same image. */
export function keepImageAnswer(
  { request }: Exchange,
  image: ServedImage,
  answer: ManifestAnswer,
): void {
  const accept = request.headers.accept ?? ''
  if (accept.length > longestAccept) return
  const { byTag, byAccept } = imageAnswers.get(image) ?? openAnswers(image)
  const known = byTag.get(answer.tag) ?? answer
  byTag.set(answer.tag, known)
  byAccept.set(accept, known)
}

function openAnswers(image: ServedImage): ImageAnswers {
  const answers = {
    byTag: new Map<string, ManifestAnswer>(),
    byAccept: new BoundedMap<string, ManifestAnswer>(mostAccepts),
  }
  imageAnswers.set(image, answers)
  return answers
}

export function keepDocumentAnswer(bytes: Uint8Array, answer: ManifestAnswer): void {
  documentAnswers.set(bytes, answer)
}

/** What a request was answered with a moment ago, if that is what it would be answered with now. */
export function recallAnswer(
  exchange: Exchange,
  registry: Registry,
  name: string,
  reference: Reference,
): ManifestAnswer | undefined {
  if (reference.kind === 'digest') {
    const bytes = registry.recallStored?.(name, reference.digest)
    return bytes && documentAnswers.get(bytes)
  }
  const { tag } = reference
  const image = registry.recall?.({ name, tag, acceptsIndex: acceptsIndex(exchange) })
  return image && imageAnswers.get(image)?.byAccept.get(exchange.request.headers.accept ?? '')
}

const indexAccepts = new BoundedMap<string, boolean>(100)

/** Old clients, and those that only copy one image, take no index. */
export function acceptsIndex({ request }: Exchange): boolean {
  const { accept = '' } = request.headers
  const known = indexAccepts.get(accept)
  if (known !== undefined) return known
  const isAccepted =
    accepts(accept, mediaTypes.ociIndex) || accepts(accept, mediaTypes.dockerManifestList)
  if (accept.length <= longestAccept) indexAccepts.set(accept, isAccepted)
  return isAccepted
}
