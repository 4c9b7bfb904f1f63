import { access, constants, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { hideCredentials } from '#adapters/git/repository-url.ts'
import { openSourceStore, type AddSource } from '#adapters/nix/source-store.ts'
import { createBundledSource } from '#adapters/package-source/bundled-source.ts'
import { credentialsFromFiles, type FindCredential } from '#adapters/package-source/credentials.ts'
import { createPrepareFlake } from '#adapters/package-source/flake-inputs.ts'
import { createGitSource, type RemoteSourceOptions } from '#adapters/package-source/git-source.ts'
import { createInputFetchers, withoutLogins } from '#adapters/package-source/input-fetchers.ts'
import type { PrepareFlake } from '#adapters/package-source/locate-package-set.ts'
import { createNixpkgsSource } from '#adapters/package-source/nixpkgs-source.ts'
import { createPathSource } from '#adapters/package-source/path-source.ts'
import { refuseTag } from '#adapters/package-source/served-tags.ts'
import { SourceTrees } from '#adapters/package-source/source-trees.ts'
import type { SourceSettings, TagSettings } from '#adapters/package-source/sources-file.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { OperatingError } from '#engine/operating-error.ts'
import {
  findSource,
  type PackageSource,
  type PackageSources,
} from '#engine/ports/package-source.ts'
import { ConfigError, findIdleSettings, type Config } from './config.ts'
import { nixOptions } from './open-nix.ts'
import { readSourceSettings } from './source-settings.ts'

/** The configured package sources; those that renew themselves do so until they are closed. */
export interface OpenedSources extends AsyncDisposable {
  readonly sources: PackageSources
  /** What the operator calls each of them: setting and value, without credentials. */
  readonly descriptions: readonly string[]
  /** Names that are sure to be there; of own sets nobody knows. */
  readonly examples: readonly string[]
  /** Why a tag of a source can never be pulled; `undefined` when it may be there. */
  refuseTag(source: string, tag: string): string | undefined
  /**
   * Asks each origin for `latest`, so that the log has a wrong address before anybody pulls. Ends
   * when the sources are closed; never fails.
   */
  lookUpLatest(): Promise<void>
}

/** Opens what the configuration names; `signal` ends the first making of the bundled set's index. */
export async function openSources(
  config: Config,
  logger: Logger,
  signal: AbortSignal,
): Promise<OpenedSources> {
  await using opened = new AsyncDisposableStack()
  const { usual, settings } = readSourceSettings(config)
  reportIdle(config, [...settings.values()], logger)
  const tools = await openTools(config, logger)
  opened.defer(() => tools.trees.close())
  const sources = new Map<string, PackageSource>()
  for (const [name, each] of settings) {
    const source = await openSource(name, each, tools, signal)
    opened.defer(() => source.close())
    sources.set(name, source)
    if (name === usual) sources.set('', source)
  }
  const closing = new AbortController()
  opened.defer(() => closing.abort(new DOMException('the service ends', 'AbortError')))
  const resources = opened.move()
  return {
    sources,
    descriptions: [...settings].map(([name, each]) => describeSource(name, each)),
    examples: [...settings]
      .filter(([, { kind }]) => kind === 'bundled')
      .map(([name]) => (name === usual ? 'shell/git' : `${name}/shell/git`)),
    refuseTag: (name, tag) => refuseSourceTag(settings.get(name === '' ? usual : name), tag),
    async lookUpLatest() {
      // One after the other: there may be a hundred, and each takes a process.
      for (const [name, each] of settings) {
        if (closing.signal.aborted) return
        if (each.kind === 'git' || each.kind === 'nixpkgs')
          await lookUp(
            describeSource(name, each),
            findSource(sources, name),
            logger,
            closing.signal,
          )
      }
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

function reportIdle(config: Config, settings: readonly SourceSettings[], logger: Logger): void {
  const kinds = settings.map(({ kind }) => kind)
  for (const setting of findIdleSettings(config, kinds))
    logger.warn(
      { setting },
      `${setting} changes nothing: no configured source or storage looks at it`,
    )
}

/** What a lost origin says is told by the source itself. */
async function lookUp(
  origin: string,
  source: PackageSource,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  try {
    const pin = await source.pin('latest', signal)
    if (pin.kind !== 'pinned')
      logger.warn({ source: origin }, `no image can be pulled as latest: ${pin.message}`)
    else if (pin.pinned.staleSinceMs === undefined)
      logger.info({ source: origin, revision: pin.pinned.revision }, 'package source found')
  } catch (error) {
    if (signal.aborted || isUnavailable(error)) return
    logger.warn({ source: origin, error: describeError(error) }, 'package source not looked up')
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof OperatingError && error.code === 'SOURCE_UNAVAILABLE'
}

function refuseSourceTag(settings: SourceSettings | undefined, tag: string): string | undefined {
  if (settings === undefined || tag === 'latest') return undefined
  if (settings.kind === 'bundled' || settings.kind === 'path')
    return `the tag ${tag}, and its package source has latest only`
  return refuseTag(settings.tags, tag) && `the tag ${tag}, which its package source does not serve`
}

/** A source as its operator wrote it. */
function describeSource(name: string, settings: SourceSettings): string {
  const isNamed = name !== ''
  const where = isNamed ? `NIXERY_SOURCES: ${name}: ` : ''
  switch (settings.kind) {
    case 'bundled':
      return `${where}the bundled Debian set`
    case 'nixpkgs':
      return `${where}${isNamed ? 'channel: ' : 'NIXERY_CHANNEL='}${settings.channel}`
    case 'git':
      return `${where}${isNamed ? 'git: ' : 'NIXERY_PKGS_REPO='}${hideCredentials(settings.url)}`
    case 'path':
      return `${where}${isNamed ? 'path: ' : 'NIXERY_PKGS_PATH='}${settings.path}`
  }
}

/** Whether every configured source is the bundled set. */
export function servesOnlyBundled(config: Config): boolean {
  return [...readSourceSettings(config).settings.values()].every(({ kind }) => kind === 'bundled')
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
  await refuseUnreadableFile('NIXERY_GIT_TOKEN_FILE', origins.tokenFile)
  await refuseUnreadableFile('NIXERY_NETRC', origins.netrcFile)
  const trees = await SourceTrees.open({
    directory: join(stateDirectory, 'sources'),
    environment,
    mostKept: origins.keptTrees,
  })
  const findCredential = findCredentials(config)
  // Where anybody's commit is served, anybody writes the lock file, and would be served what these
  // logins may read.
  const access = servesAnyCommit(config)
    ? { environment: withoutLogins(environment) }
    : { environment, findCredential }
  const fetchers = createInputFetchers({ gitDirectory: join(stateDirectory, 'git'), ...access })
  // Opened by need: it takes a command of Nix, and only flakes have inputs.
  const addSource: AddSource = async (path, signal) =>
    (await openSourceStore(nixOptions(config)))(path, signal)
  const forges = { github: origins.githubTarball }
  const prepareFlake = createPrepareFlake({ trees, fetchers, addSource, forges })
  return { config, logger, trees, findCredential, prepareFlake }
}

function servesAnyCommit(config: Config): boolean {
  const settings = [...readSourceSettings(config).settings.values()]
  return settings.some((each) => 'anyCommit' in each && each.anyCommit)
}

/** The token is for the one host that the configuration names, and for no input of a flake elsewhere. */
function findCredentials(config: Config): FindCredential {
  const { tokenFile, netrcFile } = config.origins
  const urls = [...readSourceSettings(config).settings.values()]
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
  settings: SourceSettings & TagSettings,
  { config, logger, trees, findCredential, prepareFlake }: SourceTools,
): RemoteSourceOptions & { readonly prepareFlake: PrepareFlake } {
  const { tags, anyCommit } = settings
  const source = describeSource(name, settings)
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
        { source, origin, error: describeError(error) },
        `${source} cannot be reached: tags whose commit is remembered are served from there, others get a 503`,
      ),
    onRecovery: (origin) => logger.info({ source, origin }, 'the origin of packages is back'),
    onMove: (reference, commit, before) =>
      logger.info(
        { source, reference, commit, ...(before !== undefined && { before }) },
        before === undefined ? 'reference looked up' : 'reference moved',
      ),
    onFetch: (revision) => logger.info({ source, revision }, 'package set fetched'),
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

async function refuseUnreadableFile(variable: string, path: string | undefined): Promise<void> {
  try {
    if (path !== undefined) await access(path, constants.R_OK)
  } catch (cause) {
    throw new ConfigError(
      `${variable}=${path} cannot be read: it must be a file that the service's user may read`,
      { cause },
    )
  }
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
