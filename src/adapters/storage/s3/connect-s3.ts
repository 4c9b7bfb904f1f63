import type { S3, S3ClientConfig } from '@aws-sdk/client-s3'
import { OperatingError } from '#engine/operating-error.ts'
import { defaultLimits, type S3Limits } from './s3-bucket.ts'
import { openPresigner, type PresignDownload } from './presign-download.ts'

export interface S3Connection {
  readonly bucket: string
  /** Unless it is AWS. */
  readonly endpoint?: string | undefined
  /** The same server as clients reach it, for addresses of downloads. */
  readonly publicEndpoint?: string | undefined
  /** Unless the environment or the configuration files of AWS name one. */
  readonly region?: string | undefined
  /** Whether the bucket stands in the path of addresses and not in the host. */
  readonly pathStyle: boolean
  /** How long addresses of downloads are valid; a week at the most. */
  readonly urlTtlMs: number
  /** `https_proxy` and its like; the server is asked directly unless one of them is for it. */
  readonly proxies?: Readonly<Record<string, string | undefined>> | undefined
  readonly limits?: S3Limits | undefined
}

const connectTimeoutMs = 5000

// Five tries wait about a second, or eight when the server asks for less. It is the SDK that waits
// here, while a client does; uploads have the patience of the spool.
const mostTries = 5

// A download that goes through this service holds a connection until its client has it all. More of
// them wait for one, and fail with STORAGE_BUSY.
const mostConnections = 512

// Servers other than AWS take any region; this is the one that S3 began with, and R2 knows it too.
const anyRegion = 'us-east-1'

// The SDK writes to the console unless it is given somebody to talk to.
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** The SDK's client, and what signs addresses with the same credentials. Nothing is asked yet. */
export async function connectS3(
  options: S3Connection,
): Promise<{ readonly s3: S3; readonly presign: PresignDownload }> {
  const sdk = await import('@aws-sdk/client-s3')
  const { endpoint, publicEndpoint = endpoint } = options
  const config = clientConfig(options)
  const region = options.region ?? (await findRegion(new sdk.S3(config), options))
  const s3 = new sdk.S3({ ...config, region, ...(endpoint && { endpoint }) })
  const presign = await openPresigner(
    {
      ...config,
      ...(publicEndpoint && { endpoint: publicEndpoint }),
      region,
      // One look for credentials serves both.
      credentials: s3.config.credentials,
    },
    options.bucket,
    options.urlTtlMs,
  )
  return { s3, presign }
}

function clientConfig({
  pathStyle,
  proxies,
  limits = defaultLimits,
}: S3Connection): S3ClientConfig {
  // Agents of the SDK do not know the proxies of Node's own.
  const agent = { keepAlive: true, maxSockets: mostConnections, proxyEnv: proxies }
  return {
    forcePathStyle: pathStyle,
    maxAttempts: mostTries,
    retryMode: 'standard',
    // We send the checksums of bodies ourselves (body-checksum.ts), and compare the digests of blobs.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Servers that do not know it would be waited for, six seconds a part.
    expectContinueHeader: false,
    logger: silent,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: limits.small.tryMs,
      throwOnRequestTimeout: true,
      // It would end downloads of clients that read slowly; watch-body.ts looks after those that stall.
      socketTimeout: 0,
      httpAgent: agent,
      httpsAgent: agent,
    },
  }
}

async function findRegion(s3: S3, { bucket, endpoint }: S3Connection): Promise<string> {
  try {
    return await s3.config.region()
  } catch (cause) {
    if (endpoint !== undefined) return anyRegion
    const message = `s3://${bucket}: nobody says in which region it is: set NIXERY_S3_REGION`
    throw new OperatingError('BUCKET_MISSING', message, { cause })
  }
}

function ignore(): void {}
