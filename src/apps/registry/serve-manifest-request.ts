import { accepts, negotiate } from '#core/oci/accept.ts'
import type { Digest } from '#core/oci/digest.ts'
import { formatEntityTag, matchesEntityTag } from '#core/oci/entity-tag.ts'
import { manifestMediaTypes, mediaTypes } from '#core/oci/media-types.ts'
import type { Reference } from '#core/oci/route.ts'
import { formatPlatform } from '#core/nix/system.ts'
import type { BuildFailure } from '#engine/build-outcome.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { PinnedSource } from '#engine/ports/package-source.ts'
import type { FailedImage, ServedImage } from '#engine/serve-platforms.ts'
import type { ManifestEntry } from '#engine/stored-entries.ts'
import { failureRefusal } from './failure-refusal.ts'
import type { Registry } from './registry.ts'
import { sendBody, sendNotModified, sendRefusal, type Exchange, type Headers } from './response.ts'

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
      if (outcome.leftOut !== undefined)
        exchange.noted.leftOut = outcome.leftOut.map(formatPlatform)
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
  const near = lacksPackage(failure) ? await registry.near(name) : []
  const hint = near.length === 0 ? '' : `; did you mean the image ${near.join(' or ')}?`
  const headers = sourceHeaders(pinned)
  sendRefusal(exchange, { ...refusal, message: `${refusal.message}${hint}`, headers })
}

/** Whether the name may have been that of something else: its packages are not there. */
function lacksPackage(failure: BuildFailure): boolean {
  return failure.kind === 'packages' && failure.failures.some(({ kind }) => kind === 'not-found')
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
  sendManifest(exchange, digest, bytes, {})
}

async function sendChosen(
  exchange: Exchange,
  registry: Registry,
  { image, pinned }: ServedImage,
): Promise<void> {
  const digest = chooseManifest(exchange, image)
  const bytes = await registry.blobs.readDocument(digest, exchange.signal)
  sendManifest(exchange, digest, bytes, sourceHeaders(pinned))
}

/** Old clients, and those that only copy one image, take no index. */
function acceptsIndex(exchange: Exchange): boolean {
  const { accept } = exchange.request.headers
  return accepts(accept, mediaTypes.ociIndex) || accepts(accept, mediaTypes.dockerManifestList)
}

/**
 * What the packages came from, which is no part of the image; and since when the origin has not
 * been there to say whether that is still the newest.
 */
function sourceHeaders({ source, revision, staleSinceMs }: PinnedSource): Headers {
  return {
    'Nixery-Revision': headerText(revision),
    ...(source === '' ? {} : { 'Nixery-Source': source }),
    ...(staleSinceMs === undefined
      ? {}
      : { 'Nixery-Stale-Since': new Date(staleSinceMs).toISOString() }),
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

function sendManifest(
  exchange: Exchange,
  digest: Digest,
  bytes: Uint8Array | undefined,
  more: Headers,
): void {
  const mediaType = bytes && readMediaType(bytes)
  if (bytes === undefined || mediaType === undefined) {
    return sendRefusal(exchange, {
      status: 404,
      code: 'MANIFEST_UNKNOWN',
      message: `no manifest ${digest} is stored here: pull the image by its tag first`,
    })
  }
  const tag = formatEntityTag(digest)
  const headers = { ...more, 'Docker-Content-Digest': digest, ETag: tag, Vary: 'Accept' }
  if (matchesEntityTag(exchange.request.headers['if-none-match'], tag))
    return sendNotModified(exchange, headers)
  sendBody(exchange, 200, { ...headers, 'Content-Type': mediaType }, bytes)
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
