import type { BucketKind } from './bucket-under-test.ts'
import type { FaultAnswer } from './fault.ts'

/** What a real bucket says where the emulators cannot be brought to say it. */
export interface BucketAnswers {
  readonly denied: FaultAnswer
  readonly missing: FaultAnswer
  readonly tooManyRequests: FaultAnswer
}

export const bucketAnswers: Readonly<Record<BucketKind, BucketAnswers>> = {
  gcs: {
    denied: googleError(
      403,
      'forbidden',
      'nixery@images.iam.gserviceaccount.com does not have storage.objects.create access to the Google Cloud Storage object.',
    ),
    missing: googleError(404, 'notFound', 'The specified bucket does not exist.'),
    tooManyRequests: googleError(429, 'rateLimitExceeded', 'The rate of requests is too high.'),
  },
  s3: {
    denied: amazonError(403, 'AccessDenied', 'Access Denied'),
    missing: amazonError(404, 'NoSuchBucket', 'The specified bucket does not exist'),
    tooManyRequests: amazonError(503, 'SlowDown', 'Please reduce your request rate.'),
  },
}

export const clockSkew: FaultAnswer = amazonError(
  403,
  'RequestTimeTooSkewed',
  'The difference between the request time and the current time is too large.',
)

function googleError(status: number, reason: string, message: string): FaultAnswer {
  const error = { code: status, message, errors: [{ domain: 'global', reason, message }] }
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=UTF-8' },
    body: JSON.stringify({ error }),
  }
}

function amazonError(status: number, code: string, message: string): FaultAnswer {
  return {
    status,
    headers: { 'Content-Type': 'application/xml' },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><RequestId>TEST</RequestId></Error>`,
  }
}
