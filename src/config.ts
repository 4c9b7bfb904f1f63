import { homedir } from 'node:os'
import { join } from 'node:path'
import type { SourceSettings } from '#adapters/package-source/sources-file.ts'
import type { WebMode } from '#core/api/service-info.ts'
import type { LayerScheme } from '#core/layers/layer-scheme.ts'
import { redactAddresses } from '#core/nix/nix-setting.ts'
import type { Platforms } from '#core/nix/system.ts'
import type { PackagePolicy } from '#core/request/package-policy.ts'
import { replaceUnseen } from '#core/text/unseen-characters.ts'
import type { Compression } from '#engine/ports/packer.ts'
import {
  variables,
  type Variable,
  type VariableName,
  type VariableValues,
} from './config-variables.ts'
import { findUnknownVariable } from './unknown-variables.ts'

/** The settings of one process, with every default filled in. Durations in milliseconds. */
export interface Config {
  readonly port: number
  /** All addresses when `undefined`. */
  readonly host: string | undefined
  /** Names in lower case that the service is called by; all when `undefined`. */
  readonly hostNames: ReadonlySet<string> | undefined
  readonly stateDirectory: string
  readonly web: WebMode
  /** Files of the operator that stand for the page. */
  readonly webDirectory: string | undefined
  readonly storage: StorageSettings
  /** Whether clients download blobs from a bucket themselves. */
  readonly serveBlobs: 'redirect' | 'proxy'
  readonly urlTtlMs: number
  /** In front of a bucket; 0 for none. */
  readonly nearCacheBytes: number
  readonly spoolBytes: number
  readonly collection: CollectionSettings
  /** Of names without a source, unless there is a file of sources. */
  readonly source: SourceSettings
  readonly sourcesFile: string | undefined
  readonly origins: {
    readonly nixpkgsRepository: string | undefined
    /** With `{commit}` in it. */
    readonly nixpkgsTarball: string | undefined
    readonly channelsUrl: string
    readonly githubTarball: string
    readonly tokenFile: string | undefined
    readonly netrcFile: string | undefined
    readonly pinTtlMs: number
    readonly keptTrees: number
  }
  readonly debianMirror: { readonly main?: string; readonly security?: string }
  readonly refreshMs: number
  readonly platforms: Platforms
  readonly imagesDirectory: string | undefined
  readonly labelRevision: boolean
  readonly policy: PackagePolicy
  readonly maxPackages: number
  readonly nixBinDirectory: string | undefined
  readonly nixTimeoutS: number
  readonly caches: {
    readonly substituters: readonly string[]
    readonly trustedKeys: readonly string[]
    readonly netrcFile?: string
  }
  readonly substituteOnly: boolean
  readonly builders: string | undefined
  readonly pushCache: string | undefined
  readonly buildDeadlineMs: number
  readonly buildGraceMs: number
  readonly maxBuilds: number
  readonly maxQueuedBuilds: number
  readonly packThreads: number
  /** 0 for none. */
  readonly segmentCacheBytes: number
  readonly layerScheme: LayerScheme
  readonly layerBudget: number
  readonly compression: Compression
  readonly popularityUrl: string | undefined
  readonly popularityRefreshMs: number
  readonly logLevel: string
  /** Of the process; what Nix and git inherit of it is listed where they are called. */
  readonly environment: Environment
}

/** Where layers and manifests are. */
export type StorageSettings =
  | { readonly kind: 'filesystem'; readonly directory: string }
  | {
      readonly kind: 'gcs'
      readonly bucket: string
      readonly endpoint?: string
      readonly publicEndpoint?: string
      readonly credentialsFile?: string
    }
  | {
      readonly kind: 's3'
      readonly bucket: string
      readonly endpoint?: string
      readonly publicEndpoint?: string
      readonly region?: string
      readonly pathStyle: boolean
    }

/** What garbage collection removes, and how often it runs by itself: never with 0. */
export interface CollectionSettings {
  readonly everyMs: number
  readonly unusedMs?: number
  readonly ageMs?: number
  readonly mostBytes?: number
  readonly nixStoreBytes?: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** A variable with a value that is not allowed. The message is the one line that stops the start. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads the environment; an empty variable counts as not set. Throws `ConfigError`. */
export function readConfig(environment: Environment): Config {
  refuseUnknown(environment)
  const values = readVariables(environment)
  const stateDirectory = values.NIXERY_STATE_DIRECTORY ?? join(stateHome(environment), 'nixery')
  return Object.freeze({
    port: values.PORT,
    host: values.NIXERY_HOST,
    hostNames: values.NIXERY_HOSTNAMES && new Set(values.NIXERY_HOSTNAMES),
    stateDirectory,
    web: values.NIXERY_WEB,
    webDirectory: values.WEB_DIR,
    storage: readStorage(values, stateDirectory),
    serveBlobs: readServing(values),
    urlTtlMs: values.NIXERY_URL_TTL * 1000,
    nearCacheBytes: values.NIXERY_NEAR_CACHE_MIB * 2 ** 20,
    spoolBytes: values.NIXERY_SPOOL_MIB * 2 ** 20,
    collection: readCollection(values),
    source: readSource(values, environment),
    sourcesFile: values.NIXERY_SOURCES,
    origins: {
      nixpkgsRepository: values.NIXERY_NIXPKGS_REPO,
      nixpkgsTarball: values.NIXERY_NIXPKGS_TARBALL,
      channelsUrl: values.NIXERY_CHANNELS_URL,
      githubTarball: values.NIXERY_GITHUB_TARBALL,
      tokenFile: values.NIXERY_GIT_TOKEN_FILE,
      netrcFile: values.NIXERY_NETRC,
      pinTtlMs: values.NIXERY_PIN_TTL * 1000,
      keptTrees: values.NIXERY_KEPT_SOURCES,
    },
    debianMirror: {
      ...(values.NIXERY_DEBIAN_MIRROR && { main: values.NIXERY_DEBIAN_MIRROR }),
      ...(values.NIXERY_DEBIAN_SECURITY_MIRROR && {
        security: values.NIXERY_DEBIAN_SECURITY_MIRROR,
      }),
    },
    refreshMs: values.NIXERY_REFRESH_HOURS * 3_600_000,
    platforms: values.NIXERY_PLATFORMS,
    imagesDirectory: values.NIXERY_IMAGES_DIR,
    labelRevision: values.NIXERY_LABEL_REVISION,
    policy: readPolicy(values),
    maxPackages: values.NIXERY_MAX_PACKAGES,
    nixBinDirectory: values.NIXERY_NIX_BIN,
    nixTimeoutS: values.NIX_TIMEOUT,
    caches: {
      substituters: values.NIXERY_SUBSTITUTERS,
      trustedKeys: values.NIXERY_TRUSTED_KEYS,
      ...(values.NIXERY_NETRC === undefined ? {} : { netrcFile: values.NIXERY_NETRC }),
    },
    substituteOnly: values.NIXERY_SUBSTITUTE_ONLY,
    builders: values.NIXERY_BUILDERS,
    pushCache: values.NIXERY_PUSH_CACHE,
    buildDeadlineMs: values.NIXERY_BUILD_DEADLINE * 1000,
    buildGraceMs: values.NIXERY_BUILD_GRACE * 1000,
    maxBuilds: values.NIXERY_MAX_BUILDS,
    maxQueuedBuilds: values.NIXERY_MAX_QUEUED_BUILDS,
    packThreads: values.NIXERY_PACK_THREADS,
    segmentCacheBytes: values.NIXERY_SEGMENT_CACHE_MIB * 2 ** 20,
    layerScheme: values.NIXERY_LAYER_SCHEME,
    layerBudget: values.NIXERY_LAYER_BUDGET,
    compression: readCompression(values),
    popularityUrl: values.NIX_POPULARITY_URL,
    popularityRefreshMs: values.NIXERY_POPULARITY_REFRESH_HOURS * 3_600_000,
    logLevel: values.LOG_LEVEL,
    environment,
  })
}

/** Buckets by the backend that they belong to. */
const bucketVariables = { gcs: 'GCS_BUCKET', s3: 'NIXERY_S3_BUCKET' } as const

function readStorage(values: VariableValues, stateDirectory: string): StorageSettings {
  const kind = values.NIXERY_STORAGE_BACKEND
  for (const [backend, name] of Object.entries(bucketVariables))
    if (values[name] !== undefined && backend !== kind)
      throw new ConfigError(
        `${name}=${values[name]} is for NIXERY_STORAGE_BACKEND=${backend}, and that is ${kind}: change it, or unset ${name}`,
      )
  if (kind === 'filesystem')
    return { kind, directory: values.STORAGE_PATH ?? join(stateDirectory, 'storage') }
  const bucket = values[bucketVariables[kind]]
  if (bucket === undefined)
    throw new ConfigError(
      `NIXERY_STORAGE_BACKEND=${kind} needs a bucket: say which in ${bucketVariables[kind]}`,
    )
  if (kind === 'gcs')
    return {
      kind,
      bucket,
      ...optional('endpoint', values.NIXERY_GCS_ENDPOINT),
      ...optional('publicEndpoint', values.NIXERY_GCS_PUBLIC_ENDPOINT),
      ...optional('credentialsFile', values.GOOGLE_APPLICATION_CREDENTIALS),
    }
  return {
    kind,
    bucket,
    ...optional('endpoint', values.NIXERY_S3_ENDPOINT),
    ...optional('publicEndpoint', values.NIXERY_S3_PUBLIC_ENDPOINT),
    ...optional('region', values.NIXERY_S3_REGION),
    // Other servers rarely have a name of their own for each bucket.
    pathStyle: values.NIXERY_S3_PATH_STYLE ?? values.NIXERY_S3_ENDPOINT !== undefined,
  }
}

function readServing(values: VariableValues): 'redirect' | 'proxy' {
  const { NIXERY_STORAGE_BACKEND: backend, NIXERY_SERVE_BLOBS: serving } = values
  if (backend !== 'filesystem') return serving ?? 'redirect'
  if (serving === 'redirect')
    throw new ConfigError(
      'NIXERY_SERVE_BLOBS=redirect is for buckets, and NIXERY_STORAGE_BACKEND is filesystem: unset it',
    )
  return 'proxy'
}

function readCompression(values: VariableValues): Compression {
  const codec = values.NIXERY_COMPRESSION
  const levels = { gzip: values.NIXERY_GZIP_LEVEL, zstd: values.NIXERY_ZSTD_LEVEL }
  return { codec, level: levels[codec] }
}

const dayMs = 86_400_000

function readCollection(values: VariableValues): CollectionSettings {
  return {
    everyMs: values.NIXERY_GC_HOURS * 3_600_000,
    ...optional('unusedMs', times(values.NIXERY_GC_UNUSED_DAYS, dayMs)),
    ...optional('ageMs', times(values.NIXERY_GC_AGE_DAYS, dayMs)),
    ...optional('mostBytes', times(values.NIXERY_GC_MAX_GIB, 2 ** 30)),
    ...optional('nixStoreBytes', times(values.NIXERY_GC_NIX_STORE_GIB, 2 ** 30)),
  }
}

function times(count: number | undefined, unit: number): number | undefined {
  return count === undefined ? undefined : count * unit
}

/** A member where there is a value, none where there is not. */
function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Value }
}

/** The variables that each name what to serve; none means the bundled set. */
const sourceVariables = [
  'NIXERY_CHANNEL',
  'NIXERY_PKGS_REPO',
  'NIXERY_PKGS_PATH',
  'NIXERY_SOURCES',
] as const

/** The variables that only a source with tags has. */
const tagVariables = ['NIXERY_TAGS', 'NIXERY_ANY_COMMIT'] as const

function readSource(values: VariableValues, environment: Environment): SourceSettings {
  const [first, second] = sourceVariables.filter((name) => values[name] !== undefined)
  if (first !== undefined && second !== undefined)
    throw new ConfigError(
      `${first} and ${second} are set, and each says what to serve: unset one, or name both sources in a NIXERY_SOURCES file`,
    )
  const tagSettings = { tags: values.NIXERY_TAGS, anyCommit: values.NIXERY_ANY_COMMIT }
  if (values.NIXERY_NIXPKGS_REPO !== undefined && values.NIXERY_NIXPKGS_TARBALL === undefined)
    refuseWithoutArchives(values.NIXERY_NIXPKGS_REPO)
  if (values.NIXERY_CHANNEL !== undefined)
    return { kind: 'nixpkgs', channel: values.NIXERY_CHANNEL, ...tagSettings }
  if (values.NIXERY_PKGS_REPO !== undefined)
    return { kind: 'git', url: values.NIXERY_PKGS_REPO, ...tagSettings }
  const ignored = tagVariables.find((name) => environment[name])
  if (ignored !== undefined)
    throw new ConfigError(
      `${ignored}=${environment[ignored]} is for NIXERY_CHANNEL and NIXERY_PKGS_REPO: unset it, or say it of a source in the NIXERY_SOURCES file`,
    )
  if (values.NIXERY_PKGS_PATH !== undefined) return { kind: 'path', path: values.NIXERY_PKGS_PATH }
  return { kind: 'bundled' }
}

/** Variables that only some kinds of sources look at. */
const settingsOfSources: ReadonlyArray<
  readonly [kinds: ReadonlyArray<SourceSettings['kind']>, names: readonly VariableName[]]
> = [
  [['nixpkgs', 'git'], ['NIXERY_PIN_TTL']],
  [
    ['nixpkgs', 'git', 'path'],
    ['NIXERY_KEPT_SOURCES', 'NIXERY_ALLOWED_URIS', 'NIXERY_GITHUB_TARBALL'],
  ],
  [['nixpkgs'], ['NIXERY_NIXPKGS_REPO', 'NIXERY_NIXPKGS_TARBALL', 'NIXERY_CHANNELS_URL']],
  [['bundled'], ['NIXERY_DEBIAN_MIRROR', 'NIXERY_DEBIAN_SECURITY_MIRROR', 'NIXERY_REFRESH_HOURS']],
]

/** Variables that only some storages look at. */
const settingsOfStorages: ReadonlyArray<
  readonly [kinds: ReadonlyArray<StorageSettings['kind']>, names: readonly VariableName[]]
> = [
  [['filesystem'], ['STORAGE_PATH']],
  [['gcs'], ['NIXERY_GCS_ENDPOINT', 'NIXERY_GCS_PUBLIC_ENDPOINT']],
  [
    ['s3'],
    ['NIXERY_S3_ENDPOINT', 'NIXERY_S3_PUBLIC_ENDPOINT', 'NIXERY_S3_REGION', 'NIXERY_S3_PATH_STYLE'],
  ],
  [
    ['gcs', 's3'],
    ['NIXERY_URL_TTL', 'NIXERY_NEAR_CACHE_MIB', 'NIXERY_SPOOL_MIB'],
  ],
]

/**
 * Variables that are set and change nothing, given the kinds of the configured sources. They may
 * stand in a file that several services share, so they are worth a line in the log, and no more.
 */
export function findIdleSettings(
  { environment, popularityUrl, storage, compression, web }: Config,
  kinds: ReadonlyArray<SourceSettings['kind']>,
): readonly string[] {
  const idle = settingsOfSources.flatMap(([served, names]) =>
    kinds.some((kind) => served.includes(kind)) ? [] : names,
  )
  for (const [served, names] of settingsOfStorages)
    if (!served.includes(storage.kind)) idle.push(...names)
  idle.push(compression.codec === 'gzip' ? 'NIXERY_ZSTD_LEVEL' : 'NIXERY_GZIP_LEVEL')
  if (popularityUrl === undefined) idle.push('NIXERY_POPULARITY_REFRESH_HOURS')
  if (web === 'off') idle.push('WEB_DIR')
  return idle.filter((name) => environment[name])
}

/** Archives come by http, so where they are cannot be derived from any other address. */
function refuseWithoutArchives(repository: string): void {
  if (/^https?:/i.test(repository)) return
  throw new ConfigError(
    `NIXERY_NIXPKGS_REPO=${repository} is no http or https address: say in NIXERY_NIXPKGS_TARBALL where archives of its commits are`,
  )
}

function readPolicy(values: VariableValues): PackagePolicy {
  return {
    unfree: values.NIXERY_ALLOW_UNFREE,
    broken: values.NIXERY_ALLOW_BROKEN,
    insecure: values.NIXERY_ALLOW_INSECURE.toSorted(),
    allowedUris: values.NIXERY_ALLOWED_URIS.toSorted(),
    allow: values.NIXERY_ALLOW.toSorted(),
    deny: values.NIXERY_DENY.toSorted(),
    ...(values.NIXERY_MAX_CLOSURE_MIB === undefined
      ? {}
      : { maxClosureBytes: values.NIXERY_MAX_CLOSURE_MIB * 2 ** 20 }),
  }
}

function refuseUnknown(environment: Environment): void {
  const unknown = findUnknownVariable(environment, Object.keys(variables))
  if (unknown === undefined) return
  const { name, near } = unknown
  const hint =
    near === undefined ? 'docs/configuration.md lists all settings' : `did you mean ${near}?`
  throw new ConfigError(`${name} is no setting: ${hint}`)
}

function readVariables(environment: Environment): VariableValues {
  const values = Object.entries(variables).map(([name, variable]) => {
    const text = environment[name] === '' ? undefined : environment[name]
    const parsed = (variable as Variable).schema.safeParse(text)
    if (!parsed.success)
      throw new ConfigError(
        `${name}=${asShown(text)} is not allowed: it must be ${variable.allowed}`,
      )
    return [name, parsed.data] as const
  })
  return Object.fromEntries(values) as VariableValues
}

/** One line, in which addresses have no logins. */
function asShown(text = ''): string {
  return redactAddresses(replaceUnseen(text, () => ' '))
}

function stateHome(environment: Environment): string {
  const configured = environment['XDG_STATE_HOME']
  return configured?.startsWith('/') === true ? configured : join(homedir(), '.local', 'state')
}
