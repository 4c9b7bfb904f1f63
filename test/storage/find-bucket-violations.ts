import { digestOf } from '#core/oci/digest.ts'
import type { BucketUnderTest } from './bucket-under-test.ts'

type Contents = Pick<BucketUnderTest, 'list' | 'read'>

/** What is wrong with what anybody can see in a bucket; nothing after any fault. */
export async function findBucketViolations(bucket: Contents): Promise<readonly string[]> {
  const violations: string[] = []
  const blobs = new Set(await bucket.list('layers/'))
  for (const key of blobs) {
    const digest = digestOf(await bucket.read(key))
    if (key !== keyOf(digest)) violations.push(`${key} holds ${digest}`)
  }
  for (const key of [...(await bucket.list('builds/')), ...(await bucket.list('manifests/'))]) {
    const entry = (await bucket.read(key)).toString()
    for (const [, digest = ''] of entry.matchAll(/"digest":"(sha256:[0-9a-f]{64})"/g))
      if (!blobs.has(keyOf(digest))) violations.push(`${key} names ${digest}, which is not there`)
  }
  return violations
}

function keyOf(digest: string): string {
  return digest.replace('sha256:', 'layers/')
}
