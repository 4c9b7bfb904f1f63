import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { platformOf } from '#core/nix/system.ts'
import { variables } from './config-variables.ts'
import { ConfigError, findIdleSettings, readConfig } from './config.ts'

test('readConfig() serves the bundled set on 8080 from the state directory when nothing is set', () => {
  const config = readConfig({})
  assert.equal(config.port, 8080)
  // Named, `::` would refuse to start on a machine without IPv6.
  assert.equal(config.host, undefined)
  assert.deepEqual(config.source, { kind: 'bundled' })
  assert.equal(config.nixTimeoutS, 60)
  assert.equal(config.storageDirectory, join(homedir(), '.local/state/nixery/storage'))
  assert.equal(readConfig({ XDG_STATE_HOME: '/state' }).storageDirectory, '/state/nixery/storage')
  assert.equal(readConfig({ STORAGE_PATH: '/blobs' }).storageDirectory, '/blobs')
  assert.ok(Object.isFrozen(config))
})

test('readConfig() lets instances of different machines agree on the platform', () => {
  for (const architecture of ['amd64', 'arm64'] as const) {
    const config = readConfig({ NIXERY_PLATFORMS: `linux/${architecture}` })
    assert.deepEqual(config.platforms, [platformOf(architecture)])
  }
  const own = process.arch === 'arm64' ? 'arm64' : 'amd64'
  assert.deepEqual(readConfig({}).platforms, [platformOf(own)])
  assert.deepEqual(readConfig({ NIXERY_PLATFORMS: 'linux/arm64, linux/amd64' }).platforms, [
    platformOf('arm64'),
    platformOf('amd64'),
  ])
})

test('readConfig() takes an empty variable for one that is not set', () => {
  const { environment: _environment, ...config } = readConfig({ PORT: '', STORAGE_PATH: '' })
  const { environment: _none, ...unset } = readConfig({})
  assert.deepEqual(config, unset)
})

test('readConfig() refuses a wrong value and names variable, value and what is allowed', () => {
  const wrong: ReadonlyArray<readonly [keyof typeof variables, string]> = [
    ['PORT', '80a'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['NIX_TIMEOUT', '0'],
    ['NIX_TIMEOUT', '1.5'],
    ['NIXERY_STORAGE_BACKEND', 'tape'],
    ['STORAGE_PATH', 'relative/path'],
    ['NIXERY_LAYER_BUDGET', '125'],
    ['NIXERY_GZIP_LEVEL', '10'],
    ['NIX_POPULARITY_URL', 'ftp://somewhere'],
    ['NIX_POPULARITY_URL', 'nonsense'],
    ['NIXERY_PLATFORMS', 'linux/riscv64'],
    ['NIXERY_PLATFORMS', 'arm64'],
    ['NIXERY_PLATFORMS', 'linux/arm64,linux/arm64'],
    ['NIXERY_ALLOW_UNFREE', 'yes'],
    ['NIXERY_ALLOW_INSECURE', 'a b'],
    ['NIXERY_ALLOW_INSECURE', 'openssl'],
    ['NIXERY_ALLOW_INSECURE', 'openssl-1.1.1w,openssl'],
    ['NIXERY_DENY', 'git,'],
    ['NIXERY_BUILDERS', 'a\nsandbox = false'],
    ['NIXERY_BUILDERS', 'ssh://a # b'],
    ['NIXERY_NETRC', '/netrc\nsandbox = false'],
    ['NIXERY_SUBSTITUTERS', 'cache.nixos.org'],
    ['NIXERY_TRUSTED_KEYS', 'own-1:AAAA'],
    ['NIXERY_PUSH_CACHE', '/srv/cache'],
    ['NIXERY_NIXPKGS_TARBALL', 'https://example.org/archive.tar.gz'],
    ['NIXERY_CHANNEL', '../nixos'],
    ['NIXERY_PKGS_REPO', '--upload-pack=x'],
    ['NIXERY_NIXPKGS_REPO', 'nixpkgs'],
    ['NIXERY_IMAGES_DIR', 'images'],
    ['NIXERY_MAX_PACKAGES', '129'],
    ['LOG_LEVEL', 'loud'],
  ]
  for (const [name, value] of wrong) {
    assert.throws(
      () => readConfig({ [name]: value }),
      (error) =>
        error instanceof ConfigError &&
        error.message ===
          `${name}=${value.replace('\n', ' ')} is not allowed: it must be ${variables[name].allowed}`,
      `${name}=${value}`,
    )
  }
})

test('readConfig() refuses settings that would be ignored', () => {
  assert.throws(() => readConfig({ GCS_BUCKET: 'images' }), ConfigError)
  assert.throws(
    () => readConfig({ NIXERY_CHANNEL: 'nixos-unstable', NIXERY_PKGS_PATH: '/set' }),
    /NIXERY_CHANNEL and NIXERY_PKGS_PATH/,
  )
  for (const source of [{}, { NIXERY_PKGS_PATH: '/set' }, { NIXERY_SOURCES: '/sources.yaml' }])
    assert.throws(
      () => readConfig({ ...source, NIXERY_TAGS: 'v*' }),
      /^ConfigError: NIXERY_TAGS=v\* is for NIXERY_CHANNEL and NIXERY_PKGS_REPO/,
    )
})

test('findIdleSettings() tells settings that the configured sources do not look at', () => {
  const environment = {
    NIXERY_PIN_TTL: '60',
    NIXERY_CHANNELS_URL: 'https://channels.example.org',
    NIXERY_REFRESH_HOURS: '1',
    NIXERY_KEPT_SOURCES: '',
    NIXERY_POPULARITY_REFRESH_HOURS: '1',
  }
  const popularity = 'NIXERY_POPULARITY_REFRESH_HOURS'
  const config = readConfig(environment)
  const bundled = ['NIXERY_PIN_TTL', 'NIXERY_CHANNELS_URL', popularity]
  assert.deepEqual(findIdleSettings(config, ['bundled']), bundled)
  const nixpkgs = ['NIXERY_REFRESH_HOURS', popularity]
  assert.deepEqual(findIdleSettings(config, ['nixpkgs', 'path']), nixpkgs)
  const served = readConfig({ ...environment, NIX_POPULARITY_URL: 'file:///p.json' })
  assert.deepEqual(findIdleSettings(served, ['nixpkgs', 'bundled']), [])
})

test('readConfig() asks where the archives of a repository without web address are', () => {
  const repository = { NIXERY_NIXPKGS_REPO: 'git@git.example.org:nixpkgs' }
  assert.throws(() => readConfig(repository), /NIXERY_NIXPKGS_TARBALL/)
  readConfig({ ...repository, NIXERY_NIXPKGS_TARBALL: 'https://example.org/{commit}.tar.gz' })
})

test('readConfig() reads what to serve', () => {
  const tagged = { tags: ['nixos-*', 'v1'], anyCommit: true }
  const environment = { NIXERY_TAGS: 'nixos-*, v1', NIXERY_ANY_COMMIT: 'on' }
  assert.deepEqual(readConfig({ ...environment, NIXERY_CHANNEL: 'nixos-26.05' }).source, {
    kind: 'nixpkgs',
    channel: 'nixos-26.05',
    ...tagged,
  })
  const url = 'git@git.example.org:pkgs.git'
  assert.deepEqual(readConfig({ ...environment, NIXERY_PKGS_REPO: url }).source, {
    kind: 'git',
    url,
    ...tagged,
  })
  assert.deepEqual(readConfig({ NIXERY_PKGS_PATH: '/set' }).source, { kind: 'path', path: '/set' })
})

test('readConfig() reads lists between spaces', () => {
  const { caches } = readConfig({
    NIXERY_SUBSTITUTERS: ' https://a.example.org  file:///b ',
    NIXERY_TRUSTED_KEYS: 'a-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    NIXERY_NETRC: '/netrc',
  })
  assert.deepEqual(caches, {
    substituters: ['https://a.example.org', 'file:///b'],
    trustedKeys: ['a-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='],
    netrcFile: '/netrc',
  })
})

test('docs/configuration.md lists every variable as the schema does', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/configuration.md'), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  assert.deepEqual(
    rows,
    Object.entries(variables).map(
      ([name, { about, allowed }]) => `| \`${name}\` | ${about} | ${allowed} |`,
    ),
  )
})
