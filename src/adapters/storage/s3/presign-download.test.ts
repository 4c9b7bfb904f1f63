import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { z } from 'zod'
import { openPresigner } from './presign-download.ts'

const goldenSchema = z.object({
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  region: z.string(),
  endpoint: z.string(),
  bucket: z.string(),
  key: z.string(),
  date: z.string(),
  expiresSeconds: z.number(),
  url: z.string(),
})

const goldenPath = new URL('../../../../test/golden/s3-presigned-url.json', import.meta.url)
const golden = goldenSchema.parse(JSON.parse(await readFile(goldenPath, 'utf8')))
const { endpoint, region, bucket, accessKeyId, secretAccessKey } = golden
const credentials = { accessKeyId, secretAccessKey }
const dateMs = Date.parse(golden.date)

test('openPresigner() signs as the example of AWS', async () => {
  const ttlMs = golden.expiresSeconds * 1000
  const presign = await openPresigner({ endpoint, region, credentials }, bucket, ttlMs)
  const [signed, wanted] = [await presign(golden.key, dateMs), new URL(golden.url)]
  assert.equal(signed.origin + signed.pathname, wanted.origin + wanted.pathname)
  assert.deepEqual(Object.fromEntries(signed.searchParams), Object.fromEntries(wanted.searchParams))
})

test('openPresigner() states the token of temporary credentials', async () => {
  const temporary = { ...credentials, sessionToken: 'a+b/c=' }
  const presign = await openPresigner({ endpoint, region, credentials: temporary }, bucket, 60_000)
  const { searchParams } = await presign('layers/ab', dateMs)
  assert.equal(searchParams.get('X-Amz-Security-Token'), 'a+b/c=')
  assert.equal(searchParams.get('X-Amz-Expires'), '60')
})

test('openPresigner() keeps port, path style and the folder of a key', async () => {
  const config = {
    endpoint: 'http://files.example:9000',
    region,
    credentials,
    forcePathStyle: true,
  }
  const presign = await openPresigner(config, bucket, 60_000)
  const { origin, pathname } = await presign('layers/ab', dateMs)
  assert.equal(origin + pathname, 'http://files.example:9000/examplebucket/layers/ab')
})
