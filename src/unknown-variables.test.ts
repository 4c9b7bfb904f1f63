import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, readConfig } from './config.ts'

test('readConfig() refuses a variable that is none, and names the one that was meant', () => {
  const table: ReadonlyArray<readonly [name: string, near: RegExp]> = [
    ['NIXERY_ALOW', /^NIXERY_ALOW is no setting: did you mean NIXERY_ALLOW\?$/],
    ['NIXERY_DENNY', /did you mean NIXERY_DENY\?/],
    ['NIXERY_IMAGE_DIR', /did you mean NIXERY_IMAGES_DIR\?/],
    ['NIXERY_PORT', /did you mean PORT\?/],
    ['NIXERY_STORAGE_PATH', /did you mean STORAGE_PATH\?/],
    ['NIXERY_POPULARITY_URL', /did you mean NIX_POPULARITY_URL\?/],
    ['NIXERY_COLOUR_OF_LAYERS', /^NIXERY_COLOUR_OF_LAYERS is no setting: .*configuration\.md/],
  ]
  for (const [name, message] of table)
    assert.throws(
      () => readConfig({ [name]: 'git' }),
      (error) => error instanceof ConfigError && message.test(error.message),
      name,
    )
})

test('readConfig() takes what nobody typed', () => {
  readConfig({
    NIXERY_ALOW: '',
    // Kubernetes, of services that are called nixery and nixery-cache.
    NIXERY_SERVICE_HOST: '10.0.0.1',
    NIXERY_SERVICE_PORT: '80',
    NIXERY_SERVICE_PORT_HTTP: '80',
    NIXERY_PORT: 'tcp://10.0.0.1:80',
    NIXERY_PORT_80_TCP: 'tcp://10.0.0.1:80',
    NIXERY_PORT_80_TCP_ADDR: '10.0.0.1',
    NIXERY_CACHE_SERVICE_HOST: '10.0.0.2',
    NIXERY_CACHE_PORT: 'tcp://10.0.0.2:80',
    NIXERY_TEST_SEED: '1',
  })
})
