import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSameOrigin } from './same-origin.ts'

test('isSameOrigin() compares host and port, whatever the scheme', () => {
  const host = 'registry.example:8080'
  const check = (headers: Parameters<typeof isSameOrigin>[0], expected: boolean) =>
    assert.equal(isSameOrigin(headers), expected, JSON.stringify(headers))
  check({ host }, true)
  check({ host, origin: 'http://registry.example:8080' }, true)
  check({ host, origin: 'https://registry.example:8080', 'sec-fetch-site': 'same-origin' }, true)
  check({ host: 'REGISTRY.example', origin: 'https://registry.example' }, true)
  check({ host: 'registry.example:443', origin: 'https://registry.example' }, true)
  check({ host: 'registry.example', origin: 'https://registry.example:8443' }, false)
  check({ host, origin: 'http://registry.example' }, false)
  check({ host, origin: 'http://evil.example:8080' }, false)
  check({ host, origin: 'http://registry.example:8080.evil.example' }, false)
  check({ host, origin: 'null' }, false)
  check({ host, origin: '' }, false)
  check({ origin: 'http://registry.example:8080' }, false)
  check({ host: 'backend:80', origin: 'https://x.example', 'sec-fetch-site': 'same-origin' }, true)
  check({ host: 'backend:80', origin: 'https://x.example', 'sec-fetch-site': 'same-site' }, false)
  check({ host, 'sec-fetch-site': 'cross-site' }, false)
  check({ host, 'sec-fetch-site': 'cross-site', origin: `http://${host}` }, false)
})
