import { negotiate } from '#core/oci/accept.ts'
import type { Digest } from '#core/oci/digest.ts'
import { manifestMediaTypes } from '#core/oci/media-types.ts'
import type { Reference } from '#core/oci/route.ts'
import { formatPlatform } from '#core/nix/system.ts'
import { hintAtNearImages } from '#engine/describe-failed-image.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { PinnedSource } from '#engine/ports/package-source.ts'
import type { FailedImage, ServedImage } from '#engine/serve-platforms.ts'
import type { ManifestEntry } from '#engine/stored-entries.ts'
import { failureRefusal } from './failure-refusal.ts'
import {
  acceptsIndex,
  keepDocumentAnswer,
  keepImageAnswer,
  makeAnswer,
  sendAnswer,
  type ManifestAnswer,
} from './manifest-answers.ts'
import type { Registry } from './registry.ts'
import { sendRefusal, type Exchange, type Headers, type NotedFacts } from './response.ts'

/** GET and HEAD of `/v2/<name>/manifests/<reference>`. A tag may start a build and wait for it. */
export async function serveManifestRequest(
  exchange: Exchange,
  registry: Registry,
  name: string,
  reference: Reference,
): Promise<void> {
  if (reference.kind === 'digest') return serveDigest(exchange, registry, name, reference.digest)

  const request = { name, tag: reference.tag, acceptsIndex: acceptsIndex(exchange) }
  const outcome = await registry.manifest(request, waitingSignal(exchange))
  switch (outcome.kind) {
    case 'image':
      return sendChosen(exchange, registry, outcome)
    case 'invalid-name':
      return sendRefusal(exchange, { status: 400, code: 'NAME_INVALID', message: outcome.message })
    case 'unknown-tag':
      return sendRefusal(exchange, {
        status: 404,
        code: 'MANIFEST_UNKNOWN',
        message: outcome.message,
      })
    case 'denied':
    case 'forbidden-tag':
      return sendRefusal(exchange, { status: 403, code: 'DENIED', message: outcome.message })
    case 'failed':
      return sendFailure(exchange, registry, name, outcome)
  }
}

async function sendFailure(
  exchange: Exchange,
  registry: Registry,
  name: string,
  { failure, buildId, platform, pinned }: FailedImage,
): Promise<void> {
  const refusal = failureRefusal(failure, buildId, platform)
  const hint = await hintAtNearImages(failure, () => registry.near(name))
  const { more: headers, facts } = describeSource(pinned)
  exchange.noted = facts
  sendRefusal(exchange, { ...refusal, message: `${refusal.message}${hint}`, headers })
}

async function serveDigest(
  exchange: Exchange,
  registry: Registry,
  name: string,
  digest: Digest,
): Promise<void> {
  const denied = await registry.refuse(name)
  if (denied !== undefined)
    return sendRefusal(exchange, { status: 403, code: 'DENIED', message: denied.message })
  const bytes = await registry.storedManifest(digest, exchange.signal)
  const answer = bytes && describeManifest(digest, bytes, noSource)
  if (bytes === undefined || answer === undefined) return sendUnknownManifest(exchange, digest)
  keepDocumentAnswer(bytes, answer)
  sendAnswer(exchange, answer)
}

async function sendChosen(
  exchange: Exchange,
  registry: Registry,
  served: ServedImage,
): Promise<void> {
  const { image, pinned, leftOut } = served
  const digest = chooseManifest(exchange, image)
  const bytes = await registry.blobs.readDocument(digest, exchange.signal)
  const source = describeSource(pinned)
  const facts = leftOut ? { ...source.facts, leftOut: leftOut.map(formatPlatform) } : source.facts
  const answer = bytes && describeManifest(digest, bytes, { more: source.more, facts })
  if (answer === undefined) return sendUnknownManifest(exchange, digest)
  keepImageAnswer(exchange, served, answer)
  sendAnswer(exchange, answer)
}

/** What is said of a source, to clients and in the log. */
interface SourceDescription {
  readonly more: Headers
  readonly facts: NotedFacts
}

const noSource: SourceDescription = { more: {}, facts: {} }

/**
 * What the packages came from, which is no part of the image; and since when the origin has not
 * been there to say whether that is still the newest.
 */
function describeSource({ source, revision, staleSinceMs }: PinnedSource): SourceDescription {
  const text = headerText(revision)
  const staleSince = staleSinceMs === undefined ? undefined : new Date(staleSinceMs).toISOString()
  return {
    more: {
      'Nixery-Revision': text,
      ...(source !== '' && { 'Nixery-Source': source }),
      ...(staleSince !== undefined && { 'Nixery-Stale-Since': staleSince }),
    },
    facts: {
      revision: text,
      ...(source !== '' && { source }),
      ...(staleSince !== undefined && { staleSince }),
    },
  }
}

/** A source may call its revision anything; HTTP takes visible ASCII (RFC 9110, section 5.5). */
function headerText(text: string): string {
  return encodeURI(text)
}

function chooseManifest(exchange: Exchange, image: ManifestEntry): Digest {
  const [first, ...others] = image.manifests
  if (first === undefined) throw new Error('a stored image has no manifest')
  const offers = [first.mediaType, ...others.map((manifest) => manifest.mediaType)] as const
  // Clients send several Accept lines; Node joins them with commas.
  const chosen = negotiate(exchange.request.headers.accept, offers)
  return (image.manifests.find((manifest) => manifest.mediaType === chosen) ?? first).digest
}

function describeManifest(
  digest: Digest,
  bytes: Uint8Array,
  source: SourceDescription,
): ManifestAnswer | undefined {
  const mediaType = readMediaType(bytes)
  return mediaType === undefined ? undefined : makeAnswer({ digest, mediaType, bytes, ...source })
}

function sendUnknownManifest(exchange: Exchange, digest: Digest): void {
  sendRefusal(exchange, {
    status: 404,
    code: 'MANIFEST_UNKNOWN',
    message: `no manifest ${digest} is stored here: pull the image by its tag first`,
  })
}

/** The `mediaType` that a manifest states of itself; every manifest made here has one. */
function readMediaType(bytes: Uint8Array): string | undefined {
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const mediaType = Object(document).mediaType as unknown
    return manifestMediaTypes.find((known) => known === mediaType)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

// The kubelet pulls one image at a time, so a held request stalls its node, while docker, podman and
// skopeo wait for minutes. 240 s is below the usual idle limit of proxies in front of a registry.
const kubeletPatienceMs = 30_000
const clientPatienceMs = 240_000

/** Ends with the client's connection or its patience; the build goes on without it. */
function waitingSignal(exchange: Exchange): AbortSignal {
  const agent = exchange.request.headers['user-agent'] ?? ''
  const patienceMs = /^(containerd|cri-o|kubelet)\b/i.test(agent)
    ? kubeletPatienceMs
    : clientPatienceMs
  const patience = new AbortController()
  const timer = setTimeout(() => {
    patience.abort(
      new OperatingError(
        'STILL_BUILDING',
        `the image is not built after ${patienceMs / 1000} seconds: pull again`,
      ),
    )
  }, patienceMs)
  exchange.response.once('close', () => clearTimeout(timer))
  return AbortSignal.any([exchange.signal, patience.signal])
}
