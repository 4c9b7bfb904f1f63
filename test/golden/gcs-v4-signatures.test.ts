import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gcsAddresses } from '#adapters/storage/gcs/gcs-addresses.ts'
import { connectGcs } from '#adapters/storage/gcs/gcs-connection.ts'
import golden from './gcs-v4-signatures.json' with { type: 'json' }

const root = await mkdtemp(join(tmpdir(), 'nixery-gcs-'))
after(() => rm(root, { recursive: true }))
const credentialsFile = join(root, 'key.json')
await writeFile(credentialsFile, JSON.stringify(golden.key))
// There Google's client looks for it.
process.env['GOOGLE_APPLICATION_CREDENTIALS'] = credentialsFile

for (const vector of golden.vectors) {
  test(`gcsAddresses() signs as Google has published: ${vector.description}`, async (context) => {
    context.mock.timers.enable({ apis: ['Date'], now: Date.parse(vector.timestamp) })
    const connection = await connectGcs({ bucket: vector.bucket, credentialsFile })
    const { publicEndpoint } = vector
    const locate = gcsAddresses(connection, { publicEndpoint, urlTtlMs: vector.expiration * 1000 })
    const url = await locate(vector.object)
    assert.deepEqual(partsOf(url), partsOf(new URL(vector.expectedUrl)))

    const signature = Buffer.from(url.searchParams.get('X-Goog-Signature') ?? '', 'hex')
    const text = Buffer.from(vector.expectedStringToSign)
    assert.ok(verify('RSA-SHA256', text, createPublicKey(golden.key.private_key), signature))
    assert.ok(!verify('RSA-SHA256', Buffer.of(0), golden.key.private_key, signature))
  })
}

/** The order of parameters says nothing. */
function partsOf(url: URL) {
  const { origin, pathname, searchParams } = url
  return { origin, pathname, search: [...searchParams].sort(([a], [b]) => (a < b ? -1 : 1)) }
}
