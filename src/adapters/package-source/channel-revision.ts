import { hideCredentials, parseRepositoryUrl } from '#adapters/git/repository-url.ts'
import { isCommit } from '#core/request/git-reference.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { FindCredential } from './credentials.ts'
import { authorization } from './download-tarball.ts'

// A redirect to the release and forty letters.
const deadlineMs = 20_000
const maxBytes = 1024

/**
 * The commit that a channel is at, from the file that the channel keeps about it; `undefined` when
 * there is no such channel.
 */
export async function readChannelRevision(
  channelsUrl: string,
  channel: string,
  findCredential: FindCredential | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { url, credential } = parseRepositoryUrl(channelsUrl)
  const names = channel.split('/').map(encodeURIComponent).join('/')
  const address = `${url.replace(/\/$/, '')}/${names}/git-revision`
  const unavailable = (why: string, cause?: unknown) =>
    new OperatingError('SOURCE_UNAVAILABLE', `${hideCredentials(address)} ${why}`, { cause })
  const until = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)])
  try {
    const headers = authorization(credential ?? (await findCredential?.(url)))
    const response = await fetch(address, { signal: until, headers })
    const text = await readStart(response)
    // A bucket answers 403 for files that it does not have.
    if ([403, 404, 410].includes(response.status)) return undefined
    if (!response.ok) throw unavailable(`answers ${response.status}`)
    const commit = text.trim()
    if (!isCommit(commit)) throw unavailable('holds no commit id')
    return commit
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof OperatingError) throw error
    throw unavailable('cannot be read', error)
  }
}

async function readStart(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes > maxBytes) break
  }
  return Buffer.concat(chunks).toString('utf8', 0, maxBytes)
}
