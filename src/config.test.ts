import assert from 'node:assert/strict'
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
  const directoryIn = (environment: Readonly<Record<string, string>>) => {
    const { storage } = readConfig(environment)
    return storage.kind === 'filesystem' ? storage.directory : undefined
  }
  assert.equal(directoryIn({}), join(homedir(), '.local/state/nixery/storage'))
  assert.equal(directoryIn({ XDG_STATE_HOME: '/state' }), '/state/nixery/storage')
  assert.equal(directoryIn({ STORAGE_PATH: '/blobs' }), '/blobs')
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

test('readConfig() compares host names as browsers write them', () => {
  assert.equal(readConfig({}).hostNames, undefined)
  const { hostNames } = readConfig({ NIXERY_HOSTNAMES: 'Registry.Example.org, nixery' })
  assert.deepEqual([...(hostNames ?? [])], ['registry.example.org', 'nixery'])
})

test('readConfig() takes an empty variable for one that is not set', () => {
  const { environment: _environment, ...config } = readConfig({ PORT: '', STORAGE_PATH: '' })
  const { environment: _none, ...unset } = readConfig({})
  assert.deepEqual(config, unset)
})

test('readConfig() tells nobody the login of an address, nor the value of what is no setting', () => {
  for (const [name, message] of [
    ['NIXERY_SUBSTITUTERS', /^NIXERY_SUBSTITUTERS=https:\/\/cache\.example\.org is not allowed/],
    [
      'NIXERY_GIT_TOKEN',
      /^NIXERY_GIT_TOKEN is no setting: docs\/configuration\.md lists all settings$/,
    ],
  ] as const) {
    const read = () => readConfig({ [name]: 'https://user:secret@cache.example.org' })
    assert.throws(read, { message })
  }
})

test('readConfig() refuses a wrong value and names variable, value and what is allowed', () => {
  const wrong: ReadonlyArray<readonly [keyof typeof variables, string]> = [
    ['PORT', '80a'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['NIXERY_HOSTNAMES', 'registry.example.org:8080'],
    ['NIXERY_HOSTNAMES', 'https://registry.example.org'],
    ['NIX_TIMEOUT', '0'],
    ['NIX_TIMEOUT', '1.5'],
    ['NIXERY_STORAGE_BACKEND', 'tape'],
    ['STORAGE_PATH', 'relative/path'],
    ['NIXERY_LAYER_SCHEME', 'popular'],
    ['NIXERY_LAYER_BUDGET', '125'],
    ['NIXERY_COMPRESSION', 'xz'],
    ['NIXERY_GZIP_LEVEL', '10'],
    ['NIXERY_ZSTD_LEVEL', '20'],
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

test('readConfig() gives each codec its own level', () => {
  const compressionOf = (environment: Readonly<Record<string, string>>) =>
    readConfig(environment).compression
  assert.deepEqual(compressionOf({}), { codec: 'gzip', level: 5 })
  const levels = { NIXERY_GZIP_LEVEL: '9', NIXERY_ZSTD_LEVEL: '11' }
  assert.deepEqual(compressionOf(levels), { codec: 'gzip', level: 9 })
  const zstd = { NIXERY_COMPRESSION: 'zstd' }
  assert.deepEqual(compressionOf(zstd), { codec: 'zstd', level: 2 })
  assert.deepEqual(compressionOf({ ...zstd, ...levels }), { codec: 'zstd', level: 11 })
  assert.deepEqual(findIdleSettings(readConfig(levels), ['bundled']), ['NIXERY_ZSTD_LEVEL'])
  const both = readConfig({ ...zstd, ...levels })
  assert.deepEqual(findIdleSettings(both, ['bundled']), ['NIXERY_GZIP_LEVEL'])
})

test('readConfig() shows strangers what happens, unless it is told otherwise', () => {
  assert.equal(readConfig({}).web, 'status')
  assert.equal(readConfig({ NIXERY_WEB: 'full' }).web, 'full')
  assert.throws(() => readConfig({ NIXERY_WEB: 'on' }), /must be off, status or full/)
  assert.throws(() => readConfig({ WEB_DIR: 'pages' }), /absolute path/)
  const own = readConfig({ WEB_DIR: '/srv/pages' })
  assert.equal(own.webDirectory, '/srv/pages')
  assert.deepEqual(findIdleSettings(own, ['bundled']), [])
  const off = readConfig({ WEB_DIR: '/srv/pages', NIXERY_WEB: 'off' })
  assert.deepEqual(findIdleSettings(off, ['bundled']), ['WEB_DIR'])
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

test('readConfig() reads buckets, and refuses one that its backend does not look at', () => {
  const gcs = { NIXERY_STORAGE_BACKEND: 'gcs', GCS_BUCKET: 'images' }
  assert.deepEqual(readConfig(gcs).storage, { kind: 'gcs', bucket: 'images' })
  assert.equal(readConfig(gcs).serveBlobs, 'redirect')
  assert.equal(readConfig({ ...gcs, NIXERY_SERVE_BLOBS: 'proxy' }).serveBlobs, 'proxy')
  assert.equal(readConfig({}).serveBlobs, 'proxy')
  const s3 = { NIXERY_STORAGE_BACKEND: 's3', NIXERY_S3_BUCKET: 'images' }
  assert.deepEqual(readConfig(s3).storage, { kind: 's3', bucket: 'images', pathStyle: false })
  assert.deepEqual(readConfig({ ...s3, NIXERY_S3_ENDPOINT: 'http://minio:9000' }).storage, {
    kind: 's3',
    bucket: 'images',
    endpoint: 'http://minio:9000',
    pathStyle: true,
  })
  const refused: ReadonlyArray<readonly [Readonly<Record<string, string>>, RegExp]> = [
    [{ GCS_BUCKET: 'images' }, /GCS_BUCKET=images is for NIXERY_STORAGE_BACKEND=gcs/],
    [{ ...gcs, NIXERY_S3_BUCKET: 'b-b' }, /NIXERY_S3_BUCKET=b-b is for .*=s3, and that is gcs/],
    [{ NIXERY_STORAGE_BACKEND: 'gcs' }, /needs a bucket: say which in GCS_BUCKET/],
    [{ NIXERY_STORAGE_BACKEND: 's3' }, /needs a bucket: say which in NIXERY_S3_BUCKET/],
    [{ NIXERY_SERVE_BLOBS: 'redirect' }, /is for buckets/],
    [{ ...s3, NIXERY_S3_ENDPOINT: 'http://minio/path' }, /without a path/],
    [{ ...s3, NIXERY_S3_ENDPOINT: 'minio.internal' }, /NIXERY_S3_ENDPOINT=minio.internal is not/],
    [{ ...s3, NIXERY_S3_ENDPOINT: '127.0.0.1:9000' }, /an http or https address/],
    [{ ...gcs, GCS_BUCKET: 'Images' }, /the name of a bucket/],
  ]
  for (const [environment, message] of refused)
    assert.throws(() => readConfig(environment), message)
})

test('readConfig() collects no garbage by itself unless it is told how often', () => {
  assert.deepEqual(readConfig({}).collection, { everyMs: 0 })
  const collection = { NIXERY_GC_HOURS: '6', NIXERY_GC_UNUSED_DAYS: '30', NIXERY_GC_MAX_GIB: '50' }
  assert.deepEqual(readConfig(collection).collection, {
    everyMs: 6 * 3_600_000,
    unusedMs: 30 * 86_400_000,
    mostBytes: 50 * 2 ** 30,
  })
})
