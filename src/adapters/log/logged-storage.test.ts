import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { digestOf } from '#core/oci/digest.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { logStorage } from './logged-storage.ts'

test('logStorage() writes one line per event, as loud as it matters', () => {
  const lines: string[] = []
  const logger = pino(
    { base: null, timestamp: false, formatters: { level: (level) => ({ level }) } },
    { write: (line) => lines.push(line) },
  )
  const storage = logStorage(logger)
  const digest = digestOf('x')
  storage.observe({ kind: 'blob-quarantined', digest, sizeBytes: 5 })
  storage.observe({ kind: 'blob-missing', digest })
  storage.observe({ kind: 'garbage-collected', images: 1, blobs: 2, sizeBytes: 3, durationMs: 4.4 })
  storage.observe({ kind: 'collection-skipped', collector: 'gc-1' })
  storage.observe({ kind: 'packages-collected', paths: 7, sizeBytes: 8 })
  const error = new OperatingError('BUCKET_DENIED', 'cannot list layers')
  storage.observe({ kind: 'collection-failed', subject: 'garbage', error })
  storage.observe({ kind: 'collection-failed', subject: 'packages', error })
  const written = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual(
    written.map(({ level, msg, ...facts }) => [level, String(msg).split(/[: ]/, 1)[0], facts]),
    [
      ['warn', 'blob', { digest, sizeBytes: 5 }],
      ['warn', 'blob', { digest }],
      ['info', 'garbage', { images: 1, blobs: 2, sizeBytes: 3, durationMs: 4 }],
      ['info', 'garbage', { collector: 'gc-1' }],
      ['info', 'packages', { paths: 7, sizeBytes: 8 }],
      ['error', 'garbage', { error: written[5]!['error'] }],
      ['error', 'packages', { error: written[5]!['error'] }],
    ],
  )
  assert.match(String(written[5]!['error']), /^BUCKET_DENIED: cannot list layers; give the account/)
})
