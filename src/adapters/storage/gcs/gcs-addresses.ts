import { storageKeys } from '../storage-layout.ts'
import { formatFailure } from '../network-failure.ts'
import { credentialsError, type GcsConnection } from './gcs-connection.ts'

export interface GcsAddressOptions {
  /** Where clients reach the bucket; the endpoint of the API unless given. */
  readonly publicEndpoint?: string | undefined
  /** How long a signed address works; seven days at the most. */
  readonly urlTtlMs: number
}

/**
 * Addresses for downloads, in path style, so that one certificate fits buckets with dots in their names.
 * With a key they are signed (V4, made here without a request), else the bucket has to be public.
 */
export function gcsAddresses(
  { bucket, endpoint, canSign }: GcsConnection,
  { publicEndpoint = endpoint, urlTtlMs }: GcsAddressOptions,
): (key: string) => Promise<URL> {
  return async (key) => {
    if (!canSign) {
      const path = [bucket.name, ...key.split('/')].map(encodeURIComponent).join('/')
      return new URL(`${publicEndpoint}/${path}`)
    }
    const nowMs = Date.now()
    const [url] = await bucket.file(key).getSignedUrl({
      version: 'v4',
      action: 'read',
      accessibleAt: nowMs,
      expires: nowMs + urlTtlMs,
      host: publicEndpoint,
    })
    return new URL(url)
  }
}

/** Makes one address, which sends nothing: a key that cannot sign ends the start and not every download. */
export async function requireAddresses(
  addressOf: (key: string) => Promise<URL>,
  credentialsFile: string | undefined,
): Promise<void> {
  try {
    await addressOf(storageKeys.clock)
  } catch (cause) {
    if (credentialsFile === undefined) throw cause
    const said = `its key signs nothing (${formatFailure(cause)})`
    throw credentialsError(credentialsFile, said, cause)
  }
}
