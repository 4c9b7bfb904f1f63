import { readFileSync } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { openSourceStore } from '#adapters/nix/source-store.ts'
import { createBundledSource } from '#adapters/package-source/bundled-source.ts'
import { credentialsFromFiles, type FindCredential } from '#adapters/package-source/credentials.ts'
import { createPrepareFlake } from '#adapters/package-source/flake-inputs.ts'
import { createGitSource, type RemoteSourceOptions } from '#adapters/package-source/git-source.ts'
import { createInputFetchers } from '#adapters/package-source/input-fetchers.ts'
import type { PrepareFlake } from '#adapters/package-source/locate-package-set.ts'
import { createNixpkgsSource } from '#adapters/package-source/nixpkgs-source.ts'
import { createPathSource } from '#adapters/package-source/path-source.ts'
import { SourceTrees } from '#adapters/package-source/source-trees.ts'
import {
  parseSourcesFile,
  SourcesFileError,
  type SourceSettings,
  type TagSettings,
} from '#adapters/package-source/sources-file.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { metaPackages } from '#core/request/image-request.ts'
import type { PackageSource, PackageSources } from '#engine/ports/package-source.ts'
import { ConfigError, type Config } from './config.ts'
import { nixOptions } from './open-nix.ts'

/** The configured package sources; those that renew themselves do so until they are closed. */
export interface OpenedSources extends AsyncDisposable {
  readonly sources: PackageSources
}

/** First components of names that may come to mean something else than a source. */
const reservedNames: readonly string[] = [...metaPackages, 'niximage', 'nix-snapshotter']

/** Opens what the configuration names; `signal` ends the first making of the bundled set's index. */
export async function openSources(
  config: Config,
  logger: Logger,
  signal: AbortSignal,
): Promise<OpenedSources> {
  await using opened = new AsyncDisposableStack()
  const { usual, settings } = readSettings(config)
  const tools = await openTools(config, logger)
  opened.defer(() => tools.trees.close())
  const sources = new Map<string, PackageSource>()
  for (const [name, each] of settings) {
    const source = await openSource(name, each, tools, signal)
    opened.defer(() => source.close())
    sources.set(name, source)
    if (name === usual) sources.set('', source)
  }
  const resources = opened.move()
  return { sources, [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

interface NamedSettings {
  readonly usual: string
  readonly settings: ReadonlyMap<string, SourceSettings>
}

/** The sources of the file, or the one of the environment, which has no name. */
function readSettings({ source, sourcesFile }: Config): NamedSettings {
  if (sourcesFile === undefined) return { usual: '', settings: new Map([['', source]]) }
  const { usual, sources } = readSourcesFile(sourcesFile)
  for (const name of sources.keys()) {
    if (reservedNames.includes(name))
      throw new ConfigError(
        `NIXERY_SOURCES=${sourcesFile}: a source cannot be called ${name}, which has a meaning of its own in names`,
      )
  }
  return { usual, settings: sources }
}

function readSourcesFile(path: string) {
  try {
    return parseSourcesFile(readFileSync(path, 'utf8'))
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause
    if (!isMissing && !(cause instanceof SourcesFileError)) throw cause
    throw new ConfigError(`NIXERY_SOURCES=${path} cannot be read: ${cause.message}`, { cause })
  }
}

/** Whether every configured source is the bundled set. */
export function servesOnlyBundled(config: Config): boolean {
  return [...readSettings(config).settings.values()].every(({ kind }) => kind === 'bundled')
}

type ClosableSource = PackageSource & { close(): Promise<void> }

/** What sources share. */
interface SourceTools {
  readonly config: Config
  readonly logger: Logger
  readonly trees: SourceTrees
  readonly findCredential: FindCredential
  readonly prepareFlake: PrepareFlake
}

async function openTools(config: Config, logger: Logger): Promise<SourceTools> {
  const { stateDirectory, environment, origins } = config
  const trees = await SourceTrees.open({
    directory: join(stateDirectory, 'sources'),
    mostKept: origins.keptTrees,
  })
  const findCredential = findCredentials(config)
  const fetchers = createInputFetchers({
    gitDirectory: join(stateDirectory, 'git'),
    findCredential,
    environment,
  })
  const addSource = await openSourceStore(nixOptions(config))
  const forges = { github: origins.githubTarball }
  const prepareFlake = createPrepareFlake({ trees, fetchers, addSource, forges })
  return { config, logger, trees, findCredential, prepareFlake }
}

/** The token is for the one host that the configuration names, and for no input of a flake elsewhere. */
function findCredentials(config: Config): FindCredential {
  const { tokenFile, netrcFile } = config.origins
  const urls = [...readSettings(config).settings.values()]
    .flatMap((settings) => addressesOf(settings, config))
    .filter((url) => /^https?:/i.test(url) && URL.canParse(url))
  const hosts = new Set(urls.map((url) => new URL(url).host))
  if (tokenFile !== undefined && hosts.size > 1)
    throw new ConfigError(
      `NIXERY_GIT_TOKEN_FILE=${tokenFile} would be sent to ${[...hosts].join(' and ')}: use NIXERY_NETRC, which has a login for each host`,
    )
  if (tokenFile !== undefined && hosts.size === 0)
    throw new ConfigError(
      `NIXERY_GIT_TOKEN_FILE=${tokenFile} is for nobody: no http or https address of a repository is configured`,
    )
  return credentialsFromFiles({
    ...(tokenFile === undefined ? {} : { token: { path: tokenFile, urls } }),
    ...(netrcFile === undefined ? {} : { netrcPath: netrcFile }),
  })
}

/** Where a source's configuration says that it is; what nobody configured gets no token. */
function addressesOf(settings: SourceSettings, { origins }: Config): readonly string[] {
  if (settings.kind === 'git') return [settings.url]
  if (settings.kind !== 'nixpkgs') return []
  return [origins.nixpkgsRepository, origins.nixpkgsTarball].filter((url) => url !== undefined)
}

async function openSource(
  name: string,
  settings: SourceSettings,
  tools: SourceTools,
  signal: AbortSignal,
): Promise<ClosableSource> {
  const { config, logger } = tools
  switch (settings.kind) {
    case 'bundled':
      return openBundled(name, config, logger, signal)
    case 'path':
      await refuseUnreadable(name, settings.path)
      return { ...openPath(name, settings.path, tools), close: async () => {} }
    case 'git':
      return createGitSource({ ...remoteOptions(name, settings, tools), ...settings })
    case 'nixpkgs':
      return createNixpkgsSource({
        ...remoteOptions(name, settings, tools),
        channel: settings.channel,
        repository: config.origins.nixpkgsRepository,
        channels: config.origins.channelsUrl,
        tarball: config.origins.nixpkgsTarball,
      })
  }
}

function remoteOptions(
  name: string,
  { tags, anyCommit }: TagSettings,
  { config, logger, trees, findCredential, prepareFlake }: SourceTools,
): RemoteSourceOptions & { readonly prepareFlake: PrepareFlake } {
  return {
    name,
    stateDirectory: config.stateDirectory,
    trees,
    findCredential,
    prepareFlake,
    allowedTags: tags,
    anyCommit,
    pinTtlMs: config.origins.pinTtlMs,
    clock: systemClock,
    environment: config.environment,
    onOutage: (origin, error) =>
      logger.warn(
        { origin, error: describeError(error) },
        'the origin of packages cannot be reached: what it last said is served',
      ),
    onRecovery: (origin) => logger.info({ origin }, 'the origin of packages is back'),
  }
}

function openPath(name: string, path: string, tools: SourceTools): PackageSource {
  const { trees, prepareFlake, config } = tools
  return createPathSource(name, path, { trees, prepareFlake, environment: config.environment })
}

function openBundled(name: string, config: Config, logger: Logger, signal: AbortSignal) {
  const options = {
    name,
    stateDirectory: config.stateDirectory,
    mirror: config.debianMirror,
    refreshMs: config.refreshMs,
    clock: systemClock,
    onProgress: (line: string) => logger.info({ packageSet: 'debian' }, line),
    onFailure: (error: unknown) => logger.error({ packageSet: 'debian' }, describeError(error)),
  }
  return createBundledSource(options, signal)
}

/** A path that is wrong from the start would make every pull fail. */
async function refuseUnreadable(name: string, path: string): Promise<void> {
  try {
    const isDirectory = (await stat(path)).isDirectory()
    const entries = isDirectory ? [join(path, 'default.nix'), join(path, 'flake.nix')] : [path]
    await Promise.any(entries.map((entry) => access(entry, constants.R_OK)))
  } catch (cause) {
    const where = name === '' ? `NIXERY_PKGS_PATH=${path}` : `NIXERY_SOURCES: ${name}: ${path}`
    throw new ConfigError(
      `${where} cannot be read: it must be a Nix file, or a directory with a default.nix or a flake.nix`,
      { cause },
    )
  }
}
