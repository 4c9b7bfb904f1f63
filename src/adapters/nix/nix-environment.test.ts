import assert from 'node:assert/strict'
import { test } from 'node:test'

import { chooseStore, nixEnvironment } from './nix-environment.ts'
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
