import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  isSettingValue,
  parsePublicKeys,
  parseStoreAddresses,
  redactAddresses,
} from './nix-setting.ts'

const key = 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='

test('isSettingValue() refuses what would become another setting or a comment', () => {
  assert.ok(isSettingValue('ssh://builder x86_64-linux - 4 ; ssh://other'))
  for (const text of ['a\nsandbox = false', 'a\rb', 'a # b', 'a\u0000']) {
    assert.ok(!isSettingValue(text), JSON.stringify(text))
  }
})

test('parseStoreAddresses() reads addresses between blanks, and nothing else', () => {
  const texts: ReadonlyArray<readonly [string, readonly string[] | undefined]> = [
    ['https://cache.nixos.org', ['https://cache.nixos.org']],
    [
      ' file:///srv/cache?secret-key=/k \n s3://bucket?region=x ',
      ['file:///srv/cache?secret-key=/k', 's3://bucket?region=x'],
    ],
    ['', undefined],
    ['cache.nixos.org', undefined],
    ['/srv/cache', undefined],
    ['--option', undefined],
    ['https://cache#x', undefined],
    ['https://cache\u0000', undefined],
  ]
  for (const [text, addresses] of texts) assert.deepEqual(parseStoreAddresses(text), addresses)
})

test('parsePublicKeys() reads names with 32 bytes', () => {
  assert.deepEqual(parsePublicKeys(`${key} own-1:${'A'.repeat(43)}=`), [
    key,
    `own-1:${'A'.repeat(43)}=`,
  ])
  for (const text of ['', 'own-1', 'own-1:AAAA', `${key}A`, `a#${key}`]) {
    assert.equal(parsePublicKeys(text), undefined, text)
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
