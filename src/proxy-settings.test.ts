import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxySettings } from './proxy-settings.ts'

test('proxySettings() leaves this machine out, and what the environment names', () => {
  const own = 'localhost,127.0.0.1,::1'
  const check = (environment: Record<string, string>, expected: string) =>
    assert.deepEqual(proxySettings({ http_proxy: 'http://p:1', ...environment }), {
      http_proxy: 'http://p:1',
      no_proxy: expected,
    })
  check({}, own)
  check({ NO_PROXY: 'a.example' }, `a.example,${own}`)
  check({ NO_PROXY: 'a.example', no_proxy: 'b.example' }, `b.example,${own}`)
})
