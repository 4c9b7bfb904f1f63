import assert from 'node:assert/strict'
import { test } from 'node:test'

import { chooseStore, nixEnvironment } from './nix-environment.ts'
import { parseNixVersion } from './nix.ts'
import { substitutionSettings } from './substitution-settings.ts'

test('nixEnvironment() passes on what Nix needs, and no secret of the service', () => {
  const inherited = {
    PATH: '/bin',
    https_proxy: 'http://proxy',
    AWS_SECRET_ACCESS_KEY: 'secret',
    NIX_PATH: 'nixpkgs=/somewhere',
    NIX_CONFIG: 'sandbox = false',
    GC_MAXIMUM_HEAP_SIZE: '1T',
  }
  assert.deepEqual(
    nixEnvironment(
      inherited,
      new Map([
        ['timeout', '60'],
        ['build-users-group', ''],
      ]),
    ),
    new Map([
      ['PATH', '/bin'],
      ['https_proxy', 'http://proxy'],
      ['NIX_PATH', ''],
      ['NIX_CONFIG', 'timeout = 60\nbuild-users-group = '],
    ]),
  )
})

test('nixEnvironment() lets no value become another setting', () => {
  for (const value of ['/netrc\nsandbox = false', '/netrc\r', '/netrc # sandbox']) {
    assert.throws(() => nixEnvironment({}, new Map([['netrc-file', value]])), {
      message: 'the value of netrc-file must be one line without #',
    })
  }
})

test('substitutionSettings() adds to what is configured, and says nothing of what is not', () => {
  assert.deepEqual(substitutionSettings({}), new Map())
  const caches = { substituters: ['http://a', 'file:///b'], trustedKeys: [], netrcFile: '/netrc' }
  assert.deepEqual(
    substitutionSettings({ caches, builders: 'ssh://c ; ssh://d' }),
    new Map([
      ['extra-substituters', 'http://a file:///b'],
      ['netrc-file', '/netrc'],
      ['builders', 'ssh://c ; ssh://d'],
      ['builders-use-substitutes', 'true'],
    ]),
  )
})

test('chooseStore() follows NIX_REMOTE before it looks at the user', async () => {
  for (const userId of [0, 65534]) {
    const { access } = await chooseStore(userId, { NIX_REMOTE: 'daemon' })
    assert.equal(access, 'daemon')
  }
})

test('parseNixVersion() reads Nix and its forks, and refuses what is too old', () => {
  assert.equal(parseNixVersion('nix-store (Nix) 2.8.0\n'), '2.8.0')
  assert.equal(parseNixVersion('nix-store (Nix) 2.35.0pre20261101_abc\n'), '2.35.0pre20261101_abc')
  assert.equal(parseNixVersion('nix-store (Lix, like Nix) 2.93.3\n'), '2.93.3')
  assert.equal(parseNixVersion('nix-store (Determinate Nix 3.8.1) 2.30.1\n'), '2.30.1')
  assert.throws(() => parseNixVersion('nix-store (Nix) 2.3.16\n'), { code: 'NIX_TOO_OLD' })
  assert.throws(() => parseNixVersion('segmentation fault\n'), { code: 'NIX_FAILED' })
})
