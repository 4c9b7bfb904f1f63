import type { S3ClientConfig } from '@aws-sdk/client-s3'

/** Gives the address of an object, valid from `nowMs` on. */
export type PresignDownload = (key: string, nowMs: number) => Promise<URL>

// The SDK signs the digest of the body as a part of the query unless it is told to do neither;
// S3 does not ask for it in an address (docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
const bodyDigest = 'x-amz-content-sha256'

/**
 * Signs addresses for GET, with or without Range, and only the host with them. Nothing is asked of
 * the server. `ttlMs`: a week at the most.
 */
export async function openPresigner(
  config: S3ClientConfig,
  bucket: string,
  ttlMs: number,
): Promise<PresignDownload> {
  const { S3, GetObjectCommand } = await import('@aws-sdk/client-s3')
  const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner')
  // Or the address would speak of checksums, which clients neither send nor look at.
  const client = new S3({
    ...config,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  // Names the operation to those who read logs of AWS, and makes the address longer.
  client.middlewareStack.add(
    (next) => (args) => {
      delete (args.request as { query: Record<string, unknown> }).query['x-id']
      return next(args)
    },
    { step: 'build', name: 'withoutOperationName' },
  )
  return async (key, nowMs) => {
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key }), {
      expiresIn: Math.floor(ttlMs / 1000),
      signingDate: new Date(nowMs),
      unhoistableHeaders: new Set([bodyDigest]),
      unsignableHeaders: new Set([bodyDigest]),
    })
    return new URL(url)
  }
}
