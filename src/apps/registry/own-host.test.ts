import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOwnHost } from './own-host.ts'

const names = new Set(['registry.example.org'])

for (const [host, expected] of [
  ['registry.example.org', true],
  ['Registry.Example.ORG:5000', true],
  ['registry.example.org.', true],
  ['localhost:8080', true],
  ['127.0.0.1:8080', true],
  ['192.0.2.7', true],
  ['[::1]:8080', true],
  ['[::1]', true],
  [undefined, true],
  ['', false],
  ['evil.example', false],
  ['evil.example:8080', false],
  ['localhost.evil.example', false],
  ['127.0.0.1.evil.example', false],
  ['a.registry.example.org', false],
  ['registry.example.org@evil.example', false],
] as const) {
  test(`isOwnHost() ${expected ? 'takes' : 'refuses'} ${host ?? 'no host'} where names are set`, () => {
    assert.equal(isOwnHost(host, names), expected)
  })
}

test('isOwnHost() takes every name where none is set', () => {
  assert.equal(isOwnHost('evil.example', undefined), true)
})
