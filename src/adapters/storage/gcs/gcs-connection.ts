import { readFile } from 'node:fs/promises'
import type { Bucket } from '@google-cloud/storage'
import { z } from 'zod'
import { filesystemError } from '#adapters/filesystem/filesystem-error.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { formatFailure } from '../network-failure.ts'

export interface GcsConnectionOptions {
  readonly bucket: string
  /** Where the API is, when that is not Google's public address: `https://host` or `http://host:port`. */
  readonly endpoint?: string | undefined
  /**
   * What GOOGLE_APPLICATION_CREDENTIALS names. Google's client finds the file there by itself, as it
   * finds the other Application Default Credentials; here it is checked before it is needed.
   */
  readonly credentialsFile?: string | undefined
}

/** One bucket and how to reach it. */
export interface GcsConnection {
  /** Google's own client. */
  readonly bucket: Bucket
  /** Without a slash at its end. */
  readonly endpoint: string
  /** Whether there is a key to sign addresses with. */
  readonly canSign: boolean
  /** What a request has to carry; a token that runs out is renewed. */
  authorization(): Promise<Readonly<Record<string, string>>>
}

const googleEndpoint = 'https://storage.googleapis.com'

// Of an account; the library takes it whatever `type` it states.
const keySchema = z.object({ client_email: z.string().min(1), private_key: z.string().min(1) })

// What else Google's client logs in with, as people and workload identities do; there is no key in it.
const keylessSchema = z.object({
  type: z.enum([
    'authorized_user',
    'external_account',
    'external_account_authorized_user',
    'gdch_service_account',
    'impersonated_service_account',
  ]),
})

const credentialsSchema = z.union([keylessSchema, keySchema])

/**
 * Prepares Google's client; nothing is sent to the bucket yet. A plain `http:` endpoint is an emulator or
 * something else nearby: it is never shown a token. Another `https:` one gets the machine's, if there is one.
 */
export async function connectGcs(options: GcsConnectionOptions): Promise<GcsConnection> {
  const { Storage } = await import('@google-cloud/storage')
  const { credentialsFile } = options
  const credentials =
    credentialsFile === undefined ? undefined : await readCredentials(credentialsFile)
  const endpoint = (options.endpoint ?? googleEndpoint).replace(/\/+$/, '')
  const storage = new Storage({
    apiEndpoint: endpoint,
    useAuthWithCustomEndpoint: endpoint.startsWith('https:'),
    // `gcs-calls.ts` repeats; see there why.
    retryOptions: { autoRetry: false, retryableErrorFn: () => false },
  })
  // Composing does not ask whether to try again, only how often, and the options take no zero.
  storage.retryOptions.maxRetries = 0
  const isGoogle = new URL(endpoint).hostname.endsWith('.googleapis.com')
  const isOpen =
    endpoint.startsWith('http:') ||
    (!isGoogle && credentials === undefined && !(await hasDefaultCredentials(storage.authClient)))
  return {
    bucket: storage.bucket(options.bucket),
    endpoint,
    canSign: credentials !== undefined && 'private_key' in credentials,
    async authorization() {
      return isOpen ? {} : Object.fromEntries(await storage.authClient.getRequestHeaders())
    },
  }
}

async function hasDefaultCredentials(auth: { getClient(): Promise<unknown> }): Promise<boolean> {
  return auth.getClient().then(
    () => true,
    () => false,
  )
}

async function readCredentials(path: string): Promise<z.infer<typeof credentialsSchema>> {
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw unreadableError(path, cause)
  }
  const { data } = credentialsSchema.safeParse(json)
  if (data !== undefined) return data
  const wanted = "client_email and private_key, or another type of credentials of Google's"
  throw credentialsError(path, `it has no ${wanted}`)
}

/** What is wrong with the file that GOOGLE_APPLICATION_CREDENTIALS names. */
export function credentialsError(path: string, said: string, cause?: unknown): OperatingError {
  const text = `GOOGLE_APPLICATION_CREDENTIALS=${path} cannot be used: ${said}`
  return new OperatingError('BUCKET_LOGIN', text, { cause })
}

function unreadableError(path: string, cause: unknown): unknown {
  // Its message quotes the file, and the log is no place for pieces of a key.
  if (cause instanceof SyntaxError) return credentialsError(path, 'it is not JSON')
  const error = filesystemError(cause, 'cannot read GOOGLE_APPLICATION_CREDENTIALS')
  // A file that may not be read says so itself.
  if (!(error instanceof OperatingError) || error.code !== 'STORAGE_FAILED') return error
  return credentialsError(path, formatFailure(cause), cause)
}
