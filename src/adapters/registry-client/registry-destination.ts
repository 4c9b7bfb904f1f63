import { countBytes, type CountedBytes } from '#adapters/image-files/counted-bytes.ts'
import type { Descriptor } from '#core/oci/descriptor.ts'
import type { ImageContent, ImageDocument } from '#engine/image-content.ts'
import { pause } from '#engine/pause.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { ImageDestination } from '#engine/ports/image-destination.ts'
import { runInLanes } from '#engine/run-in-lanes.ts'
import { apiHost, readSome, RegistryRefusal, RegistrySession } from './registry-session.ts'
import type { RegistryLogin } from './stored-logins.ts'

export interface RegistryDestinationOptions {
  /** `localhost:5000`, `registry.example` */
  readonly host: string
  readonly repository: string
  readonly tag: string
  /** Without TLS; registries of this machine are reached so anyhow. */
  readonly insecure: boolean
  readonly findLogin: (signal: AbortSignal) => Promise<RegistryLogin | undefined>
  readonly clock: Clock
}

// As Docker does: more gain little, and registries count connections.
const uploadsAtOnce = 3

// Within half a minute a registry that was restarted is back.
const retryDelaysMs = [1_000, 4_000, 15_000]

// What other web servers answer to a push: they know no such path, no such method, or nothing of it.
const strangeStatuses: readonly number[] = [404, 405, 501]

/**
 * A repository of a registry (distribution-spec 1.1, "Push"): blobs that it lacks, then manifests by
 * digest, then what the tag leads to, so that nobody pulls half an image.
 */
export function registryDestination(options: RegistryDestinationOptions): ImageDestination {
  return {
    async check(signal) {
      const push = await openPush(options, signal)
      await push.check(signal)
    },
    async write(image, onProgress, signal) {
      const push = await openPush(options, signal)
      await push.run(image, countBytes(image.blobs, onProgress), signal)
    },
  }
}

async function openPush(options: RegistryDestinationOptions, signal: AbortSignal): Promise<Push> {
  const { host, repository, insecure } = options
  const scheme = insecure || isLocal(host) ? 'http' : 'https'
  const { origin } = new URL(`${scheme}://${apiHost(host)}`)
  const login = await options.findLogin(signal)
  const session = new RegistrySession({ host, origin, repository, login })
  return new Push(options, session, `${origin}/v2/${repository}`)
}

class Push {
  readonly #options: RegistryDestinationOptions
  readonly #session: RegistrySession
  readonly #base: string

  constructor(options: RegistryDestinationOptions, session: RegistrySession, base: string) {
    this.#options = options
    this.#session = session
    this.#base = base
  }

  /**
   * Begins an upload and gives it up: nothing else tells whether a login may push. Tries once: nothing is
   * built yet that would be lost, and who waits sees nothing.
   */
  async check(signal: AbortSignal): Promise<void> {
    await this.#giveUpUpload(await this.#beginUpload(signal), signal)
  }

  async run(image: ImageContent, counted: CountedBytes, signal: AbortSignal): Promise<void> {
    await runInLanes(
      image.blobs,
      uploadsAtOnce,
      (blob, until) => this.#pushBlob(image, blob, counted, until),
      signal,
    )
    for (const manifest of image.manifests)
      if (manifest.digest !== image.root.digest)
        await this.#putManifest(manifest, manifest.digest, signal)
    await this.#putManifest(image.root, this.#options.tag, signal)
  }

  async #pushBlob(
    image: ImageContent,
    blob: Descriptor,
    counted: CountedBytes,
    signal: AbortSignal,
  ): Promise<void> {
    const isThere = await this.#retry(() => this.#hasBlob(blob, signal), signal)
    if (!isThere) await this.#retry(() => this.#upload(image, blob, signal), signal)
    counted.add(blob.size)
  }

  async #hasBlob({ digest }: Descriptor, signal: AbortSignal): Promise<boolean> {
    const url = new URL(`${this.#base}/blobs/${digest}`)
    const response = await this.#session.call({ method: 'HEAD', url }, signal)
    if (response.status === 404) return false
    await this.#require(response, [200], 'looking for a layer')
    return true
  }

  /** One POST and one PUT: "monolithic upload". */
  async #upload(
    image: ImageContent,
    { digest, size }: Descriptor,
    signal: AbortSignal,
  ): Promise<void> {
    const url = await this.#beginUpload(signal)
    url.searchParams.set('digest', digest)
    const headers = {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(size),
    }
    const body = () => image.open(digest, signal)
    const done = await this.#session.call({ method: 'PUT', url, headers, body }, signal)
    await this.#require(done, [201, 204], 'uploading a layer')
  }

  /** Gives the address of the upload. */
  async #beginUpload(signal: AbortSignal): Promise<URL> {
    const begin = new URL(`${this.#base}/blobs/uploads/`)
    const begun = await this.#session.call(
      { method: 'POST', url: begin, headers: { 'Content-Length': '0' } },
      signal,
    )
    await this.#require(begun, [202], 'beginning an upload')
    // Relative or absolute, with a query of its own or without.
    const location = begun.headers.get('location')
    const url = location === null ? null : URL.parse(location, begin)
    if (url === null)
      throw new RegistryRefusal(`${this.#options.host} does not say where it takes a layer`, 202)
    return url
  }

  async #giveUpUpload(url: URL, signal: AbortSignal): Promise<void> {
    try {
      await readSome(await this.#session.call({ method: 'DELETE', url }, signal))
    } catch (error) {
      // Registries forget by themselves what they cannot give up.
      if (!(error instanceof RegistryRefusal)) throw error
    }
  }

  async #putManifest(
    { mediaType, digest, bytes }: ImageDocument,
    reference: string,
    signal: AbortSignal,
  ): Promise<void> {
    const url = new URL(`${this.#base}/manifests/${reference}`)
    await this.#retry(async () => {
      const headers = { 'Content-Type': mediaType }
      const response = await this.#session.call(
        { method: 'PUT', url, headers, body: () => bytes },
        signal,
      )
      await this.#require(response, [201], 'putting a manifest')
      const stored = response.headers.get('docker-content-digest')
      if (stored !== null && stored !== digest)
        throw new RegistryRefusal(
          `${this.#options.host} stored ${stored} in the place of ${digest}`,
          response.status,
        )
    }, signal)
  }

  async #require(response: Response, statuses: readonly number[], doing: string): Promise<void> {
    const text = await readSome(response)
    if (statuses.includes(response.status)) return
    const { host, repository } = this.#options
    const said = registryMessage(text)
    throw new RegistryRefusal(
      `${host}/${repository}: ${doing}: ${response.status} ${said ?? response.statusText}${this.#advise(response.status, said)}`,
      response.status,
    )
  }

  #advise(status: number, said: string | undefined): string {
    const { host } = this.#options
    if (status === 401 || status === 403)
      return `; the login may not push there: docker login ${host}`
    const isStrange = said === undefined && strangeStatuses.includes(status)
    return isStrange ? `; is ${host} a registry?` : ''
  }

  async #retry<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (const delayMs of retryDelaysMs) {
      try {
        return await attempt()
      } catch (error) {
        if (!isPassing(error)) throw error
        await pause(this.#options.clock, delayMs, signal)
      }
    }
    return attempt()
  }
}

/** Whether the same may go well in a while: no answer, too many requests, a fault of the server that is no lack. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof RegistryRefusal)) return false
  const { status } = error
  return status === undefined || status === 429 || (status >= 500 && status !== 501)
}

/** As Docker has it: nobody listens in on the way to this machine. */
export function isLocal(host: string): boolean {
  const { hostname } = new URL(`http://${host}`)
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname)
}

/** The first error of `{"errors":[{"code","message"}]}` (distribution-spec, "Error Codes"). */
function registryMessage(text: string): string | undefined {
  try {
    const [first] =
      (JSON.parse(text) as { errors?: Array<{ code?: string; message?: string }> }).errors ?? []
    return first && [first.code, first.message].filter(Boolean).join(': ')
  } catch {
    // A proxy in front of the registry answers with a page; the status says enough.
    return undefined
  }
}
