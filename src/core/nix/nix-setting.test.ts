import assert from 'node:assert/strict'
import { test } from 'node:test'

import { isPublicKey, isSettingValue, isStoreAddress, redactAddresses } from './nix-setting.ts'

const key = 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='

test('isSettingValue() refuses what would become another setting or a comment', () => {
  assert.ok(isSettingValue('ssh://builder x86_64-linux - 4 ; ssh://other'))
  for (const text of ['a\nsandbox = false', 'a\rb', 'a # b', 'a\u0000']) {
    assert.ok(!isSettingValue(text), JSON.stringify(text))
  }
})

test('isStoreAddress() wants a scheme, and one word', () => {
  const right = ['https://cache.nixos.org', 'file:///c?secret-key=/k', 's3://b?region=x']
  for (const text of [...right, 'ssh://me@builder', 'https://cache/x@1']) {
    assert.ok(isStoreAddress(text), text)
  }
  for (const text of ['https://me:secret@cache', 'http://token@cache', 'ssh://me:secret@builder']) {
    assert.ok(!isStoreAddress(text), text)
  }
  const wrong = ['', 'cache.nixos.org', '/srv/cache', '--option', 'https://a b', 'https://cache#x']
  for (const text of [...wrong, 'https://cache\u0000', 'https://']) {
    assert.ok(!isStoreAddress(text), JSON.stringify(text))
  }
})

test('isPublicKey() wants a name with 32 bytes', () => {
  for (const text of [key, `own-1:${'A'.repeat(43)}=`]) assert.ok(isPublicKey(text), text)
  for (const text of ['', 'own-1', 'own-1:AAAA', `${key}A`, `a#${key}`, `${key} ${key}`]) {
    assert.ok(!isPublicKey(text), text)
  }
})

test('redactAddresses() leaves out users, passwords and queries', () => {
  assert.equal(
    redactAddresses("unable to upload 'https://me:se@cr@cache:80/nar/x?token=1': HTTP error 403"),
    "unable to upload 'https://cache:80/nar/x': HTTP error 403",
  )
  assert.equal(
    redactAddresses('http://me:p@ss@cache/a and s3://bucket?profile=x&y then nothing'),
    'http://cache/a and s3://bucket then nothing',
  )
  assert.equal(redactAddresses('no address: /nix/store'), 'no address: /nix/store')
})
