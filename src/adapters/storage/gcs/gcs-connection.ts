import { readFile } from 'node:fs/promises'
import type { Bucket } from '@google-cloud/storage'
import { z } from 'zod'
import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import { OperatingError } from '#engine/operating-error.ts'

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

// Other kinds of files, of workload identity say, log in as well but hold no key.
const keySchema = z.looseObject({
  client_email: z.string().optional(),
  private_key: z.string().optional(),
})

/**
 * Prepares Google's client; nothing is sent to the bucket yet. A plain `http:` endpoint is an emulator or
 * something else nearby: it is never shown a token. Another `https:` one gets the machine's, if there is one.
 */
export async function connectGcs(options: GcsConnectionOptions): Promise<GcsConnection> {
  const { Storage } = await import('@google-cloud/storage')
  const { credentialsFile } = options
  const key = credentialsFile === undefined ? undefined : await readKey(credentialsFile)
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
    (!isGoogle && key === undefined && !(await hasDefaultCredentials(storage.authClient)))
  return {
    bucket: storage.bucket(options.bucket),
    endpoint,
    canSign: key?.client_email !== undefined && key.private_key !== undefined,
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

async function readKey(path: string): Promise<z.infer<typeof keySchema>> {
  const text = await guardFilesystem('cannot read GOOGLE_APPLICATION_CREDENTIALS', () =>
    readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') throw cause
      throw unusableKey(`${path} does not exist`, cause)
    }),
  )
  try {
    return keySchema.parse(JSON.parse(text))
  } catch (cause) {
    throw unusableKey(`${path} is not a JSON key file of an account`, cause)
  }
}

function unusableKey(said: string, cause: unknown): OperatingError {
  const text = `the file in GOOGLE_APPLICATION_CREDENTIALS is unusable: ${said}`
  return new OperatingError('BUCKET_DENIED', text, { cause })
}
