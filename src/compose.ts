import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { logBuilds } from '#adapters/log/logged-builds.ts'
import { logStorage } from '#adapters/log/logged-storage.ts'
import type { Metrics } from '#adapters/metrics/metrics.ts'
import {
  noImageSpecs,
  openImageDirectory,
  type ImageDirectory,
} from '#adapters/image-specs/image-directory.ts'
import { lacksSecurityFixes, probeNix, type NixProbe } from '#adapters/nix/probe-nix.ts'
import { shareStoreFiles } from '#adapters/nix/store-files.ts'
import { watchPopularity } from '#adapters/popularity/watch-popularity.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { Registry } from '#apps/registry/registry.ts'
import type { WebServices } from '#apps/web/web-services.ts'
import type { Popularity } from '#core/layers/popularity.ts'
import { isRepositoryName } from '#core/oci/route.ts'
import { findRefused, type PackagePolicy } from '#core/request/package-policy.ts'
import { metaPackages, type NameGrammar } from '#core/request/image-request.ts'
import { nearImages } from '#core/request/near-images.ts'
import { createBuildJournal } from '#engine/build-journal.ts'
import { createClaims } from '#engine/claim-blobs.ts'
import { buildImage, type BuildTools } from '#engine/build-image.ts'
import type { ImageBuilder } from '#engine/image-builder.ts'
import { limitBuilds } from '#engine/limit-builds.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { ImageSpec } from '#engine/ports/image-specs.ts'
import type { BuildObserver } from '#engine/ports/build-observer.ts'
import type { StorageEvent } from '#engine/ports/storage-observer.ts'
import { readStoredManifest, recallStoredManifest } from '#engine/read-stored-manifest.ts'
import { createRecentManifests } from '#engine/recent-manifests.ts'
import { recordBuilds } from '#engine/record-builds.ts'
import { runBuilds } from '#engine/run-builds.ts'
import { rememberFailures } from '#engine/remember-failures.ts'
import { readSpec } from '#engine/resolve-image.ts'
import { recallManifest, refuseName, serveManifest } from '#engine/serve-manifest.ts'
import { tellAll } from '#engine/tell-all.ts'
import { shareBuilds } from '#engine/share-builds.ts'
import { ConfigError, type Config } from './config.ts'
import { openImageViews } from './open-image-views.ts'
import { nixOptions, openNix } from './open-nix.ts'
import { makeDirectory } from './make-directory.ts'
import { describeServing, openServedStorage } from './open-storage.ts'
import { keepStorage } from './keep-storage.ts'
import { openWeb } from './open-web.ts'
import { openPacker } from './open-packer.ts'
import { openSources, servesOnlyBundled, type OpenedSources } from './open-sources.ts'

/** The wired product. */
export interface System {
  readonly registry: Registry
  readonly web: WebServices
  /** What is served, as its operator wrote it. */
  readonly sources: readonly string[]
  /** How clients get layers, for people. */
  readonly layers: string
  /** The name of an image that can be pulled, where one is known. */
  readonly example: string | undefined
  /** Tells the clients of all builds to come back, and ends the builds. */
  endBuilds(): Promise<void>
  /** Ends threads and schedules, and leaves nothing in staging. Builds must have ended. */
  close(): Promise<void>
}

/** Who learns what the system does. */
export interface Watchers {
  readonly logger: Logger
  readonly metrics: Metrics
  /** Who learns of builds, in the place of log and metrics. */
  readonly builds?: BuildObserver
}

/**
 * Joins the rooms: the only place that knows which adapter stands behind which port. The first
 * start makes the package index, which takes a while; `signal` ends that.
 */
export async function compose(
  config: Config,
  { logger, metrics, builds }: Watchers,
  signal: AbortSignal,
): Promise<System> {
  // A start that fails half-way leaves nothing behind.
  await using opened = new AsyncDisposableStack()
  await makeDirectory('NIXERY_STATE_DIRECTORY', config.stateDirectory)
  // Side by side: both wait for commands of Nix.
  const openingNix = openNix(config, logger, substitution(config))
  const openedNix = openingNix.catch(() => undefined)
  opened.defer(async () => (await openedNix)?.close())
  reportNix(await probeNix(nixOptions(config), signal), logger)
  const nix = await openingNix
  const storageObserver = tellAll<[StorageEvent]>(logStorage(logger), metrics.storage)
  const storage = await openServedStorage(config, storageObserver)
  opened.defer(() => storage.close())
  const opening = opened.use(await openSources(config, logger, signal))
  const { sources } = opening
  const grammar = {
    platforms: config.platforms,
    sourceNames: new Set([...sources.keys()].filter((name) => name !== '')),
    maxPackages: config.maxPackages,
  }
  const specs = await openSpecs(config, grammar, opening)
  const packer = await openPacker(config)
  opened.defer(() => packer.close())
  const popularity = await openPopularity(config, logger, signal)
  opened.defer(() => popularity.close())
  const { blobs, entries } = storage
  const claims = createClaims(storage.upkeep, { nowMs: Date.now, clock: systemClock })
  const recent =
    storage.watch &&
    createRecentManifests({ watch: storage.watch, claims, nowMs: () => performance.now() })
  const { layerScheme, layerBudget, compression } = config

  const journal = createBuildJournal(Date.now)
  const observer =
    builds ??
    tellAll<Parameters<BuildObserver['observe']>>(logBuilds(logger), metrics.builds, journal)
  const builder = stackBuilder(config, observer, {
    nix,
    sources,
    policy: config.policy,
    blobs,
    entries,
    claims,
    storageObserver,
    packer,
    compression,
    layerScheme,
    layerBudget,
    storeFiles: shareStoreFiles(),
  })
  const tools = {
    sources,
    grammar,
    specs,
    policy: config.policy,
    builder,
    entries,
    blobs,
    claims,
    storageObserver,
    layerScheme,
    layerBudget,
    popularity: () => popularity.current(),
    compression,
    labelRevision: config.labelRevision,
    recent,
  }
  const example = await findExample([...opening.examples, ...(await specs.names())], tools)
  const ending = new AbortController()
  const layers = await describeServing(config, storage, signal)
  const keeping = keepStorage(config, storage, storageObserver)
  opened.defer(() => keeping.close())
  const near = async (name: string) => nearImages(name, grammar.sourceNames, await specs.names())
  const { upkeep } = storage
  const views = openImageViews({ ...tools, nix, upkeep, logger })
  opened.defer(() => views.close())
  const web = await openWeb(config, {
    views,
    sources,
    builds: journal,
    example,
    logger,
    near,
    newOrderId: newId,
    ending: ending.signal,
    manifest: (request, signal, onBuild) =>
      serveManifest({ ...tools, onBuild }, request, AbortSignal.any([signal, ending.signal])),
  })
  opened.defer(() => web.close())
  const resources = opened.move()
  void opening.lookUpLatest()
  return {
    sources: opening.descriptions,
    layers,
    example,
    registry: {
      manifest: (request, signal) =>
        serveManifest(tools, request, AbortSignal.any([signal, ending.signal])),
      recall: (request) => recallManifest(tools, request),
      storedManifest: (digest, signal) => readStoredManifest(tools, digest, signal),
      recallStored: (name, digest) => recallStoredManifest(tools, name, digest),
      refuse: (name) => refuseName(tools, name),
      ...(config.serveBlobs === 'redirect' && storage.locator && { locator: storage.locator }),
      near,
      blobs,
    },
    web,
    endBuilds() {
      // Nobody waits for the builds from here on: Nix may take longer to end than connections are kept.
      ending.abort(new OperatingError('SHUTTING_DOWN', 'this instance is shutting down'))
      return builder.close()
    },
    close: () => resources.disposeAsync(),
  }
}

/**
 * Nobody's binary cache has the bundled set, and one that cannot be reached costs every build
 * seconds. Caches that the operator names are asked all the same.
 */
function substitution(config: Config): ReadonlyMap<string, string> {
  if (!servesOnlyBundled(config)) return new Map()
  if (config.substituteOnly)
    throw new ConfigError(
      'NIXERY_SUBSTITUTE_ONLY=on leaves nothing of the bundled package set, which is in no binary cache: unset it, or configure another package source',
    )
  return new Map([['substituters', '']])
}

function reportNix({ version, access }: NixProbe, logger: Logger): void {
  logger.info({ version, access }, 'Nix found')
  if (lacksSecurityFixes(version)) {
    logger.warn(
      { version },
      `Nix ${version} lacks security fixes of later versions: serve people and package sets that you trust`,
    )
  }
}

/**
 * The bare build flow, recorded, limited, shared by everybody who asks for the same image, and not
 * begun again at once when it has failed.
 */
function stackBuilder(
  config: Config,
  observer: BuildObserver,
  tools: BuildTools,
): ImageBuilder & { close(): Promise<void> } {
  const clock = systemClock
  const { buildDeadlineMs: deadlineMs, buildGraceMs: graceMs } = config
  const run = runBuilds((target, observe, signal) => buildImage(tools, target, observe, signal), {
    observer,
    clock,
    deadlineMs,
  })
  const limits = { maxRunning: config.maxBuilds, maxQueued: config.maxQueuedBuilds }
  const limited = limitBuilds(run, limits, () => shared.cancelOneAbandoned())
  const shared = shareBuilds(recordBuilds(limited, observer), { clock, graceMs, newBuildId: newId })
  return { ...rememberFailures(shared, systemClock), close: () => shared.close() }
}

/** Of a build or an order: 12 hex digits. */
function newId(): string {
  return randomBytes(6).toString('hex')
}

/** The first name that the policy lets through. */
async function findExample(
  names: readonly string[],
  tools: Parameters<typeof refuseName>[0],
): Promise<string | undefined> {
  for (const name of names) if ((await refuseName(tools, name)) === undefined) return name
  return undefined
}

/** A spec that no pull could ever reach, or that none can be made of, is found now. */
async function openSpecs(
  { imagesDirectory, policy }: Config,
  grammar: NameGrammar,
  sources: OpenedSources,
): Promise<ImageDirectory> {
  if (imagesDirectory === undefined) return noImageSpecs
  const setting = `NIXERY_IMAGES_DIR=${imagesDirectory}`
  const found = await stat(imagesDirectory).catch(() => undefined)
  if (found?.isDirectory() !== true)
    throw new ConfigError(`${setting} cannot be read: it must be a directory`)
  const specs = openImageDirectory(imagesDirectory)
  for (const [name, spec] of await specs.list()) {
    const problem =
      findSpecProblem(name, spec, grammar, policy) ?? findTagProblem(name, spec, sources)
    if (problem !== undefined) throw new ConfigError(`${setting}: ${problem}`)
  }
  return specs
}

function findTagProblem(
  name: string,
  { source, tag }: ImageSpec,
  sources: OpenedSources,
): string | undefined {
  const refused = tag === undefined ? undefined : sources.refuseTag(source, tag)
  return refused && `the spec ${name} wants ${refused}: give it another tag, or none`
}

function findSpecProblem(
  name: string,
  spec: ImageSpec,
  grammar: NameGrammar,
  policy: PackagePolicy,
): string | undefined {
  const [first = ''] = name.split('/')
  if (!isRepositoryName(name))
    return `the spec ${name} has a name that no registry client can ask for`
  if (grammar.sourceNames.has(first))
    return `the spec ${name} is called like the package source ${first}: give it another name`
  if (metaPackages.includes(first))
    return `the spec ${name} is called like the meta-package ${first}: give it another name`
  const read = readSpec(name, spec, grammar)
  if (read.kind === 'invalid') return read.message
  const refused = findRefused(policy, read.request)
  return refused && `the spec ${name} has ${refused}, which NIXERY_ALLOW and NIXERY_DENY leave out`
}

/** A snapshot that cannot be loaded costs layers that are shared less, not the service. */
async function openPopularity(
  { popularityUrl: url, popularityRefreshMs: refreshMs, stateDirectory, layerScheme }: Config,
  logger: Logger,
  signal: AbortSignal,
): Promise<{ current(): Popularity; close(): void }> {
  const none = { current: () => ({ kind: 'closure' }) as const, close: () => {} }
  if (url === undefined) return none
  if (layerScheme !== 'original') {
    logger.warn(
      { url },
      `NIX_POPULARITY_URL is not used: NIXERY_LAYER_SCHEME=${layerScheme} plans layers without popularity`,
    )
    return none
  }
  const watched = await watchPopularity(
    {
      url,
      directory: join(stateDirectory, 'popularity'),
      refreshMs,
      clock: systemClock,
      onChange: (popularity) =>
        logger.info(
          { url, ...popularityFacts(popularity) },
          'popularity changed: digests of images may differ',
        ),
      onFailure: (error, serving) =>
        logger.warn(
          { url, error: describeError(error) },
          serving === 'kept'
            ? 'popularity not loaded, serving with the one that was loaded last'
            : 'popularity not loaded, serving without: digests of images differ',
        ),
    },
    signal,
  )
  const current = watched.current()
  if (current.kind === 'snapshot')
    logger.info({ url, ...popularityFacts(current) }, 'popularity in use')
  return watched
}

function popularityFacts(popularity: Popularity) {
  return popularity.kind === 'closure'
    ? {}
    : { names: popularity.ratings.size, version: popularity.version }
}
