import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BuildService } from './build-service.ts'

test('BuildService reads no answer without end', async () => {
  let read = 0
  const endless = new ReadableStream({
    pull(controller) {
      read += 1
      // A reader that does not stop must not hang the test.
      if (read > 100) controller.close()
      else controller.enqueue(Buffer.alloc(1024 * 1024, 'x'))
    },
  })
  const answer = async () =>
    Object.defineProperty(new Response(endless), 'url', { value: 'http://service.test/' })
  const service = new BuildService(new URL('http://service.test'), answer)
  const { signal } = new AbortController()
  await assert.rejects(service.list(signal), /http:\/\/service\.test answers without end/)
  assert.ok(read < 50, String(read))
})
