import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { logBuilds } from '#adapters/log/logged-builds.ts'
import { logStorage } from '#adapters/log/logged-storage.ts'
import type { Metrics } from '#adapters/metrics/metrics.ts'
import { lacksSecurityFixes, probeNix, type NixProbe } from '#adapters/nix/probe-nix.ts'
import { shareStoreFiles } from '#adapters/nix/store-files.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { Registry } from '#apps/registry/registry.ts'
import type { WebServices } from '#apps/web/web-services.ts'
import type { Platforms } from '#core/nix/system.ts'
import { nearImages } from '#core/request/near-images.ts'
import { createBuildJournal } from '#engine/build-journal.ts'
import { createClaims } from '#engine/claim-blobs.ts'
import { buildImage, type BuildTools } from '#engine/build-image.ts'
import type { ImageBuilder } from '#engine/image-builder.ts'
import { limitBuilds } from '#engine/limit-builds.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { BuildObserver } from '#engine/ports/build-observer.ts'
import type { StorageEvent } from '#engine/ports/storage-observer.ts'
import { readStoredManifest, recallStoredManifest } from '#engine/read-stored-manifest.ts'
import { createRecentManifests } from '#engine/recent-manifests.ts'
import { recordBuilds } from '#engine/record-builds.ts'
import { runBuilds } from '#engine/run-builds.ts'
import { rememberFailures } from '#engine/remember-failures.ts'
import { findPlatforms } from '#engine/resolve-image.ts'
import { recallManifest, refuseName, serveManifest } from '#engine/serve-manifest.ts'
import { tellAll } from '#engine/tell-all.ts'
import { shareBuilds } from '#engine/share-builds.ts'
import { ConfigError, type Config } from './config.ts'
import { openImageSpecs } from './open-image-specs.ts'
import { openImageViews } from './open-image-views.ts'
import { nixOptions, openNix } from './open-nix.ts'
import { makeDirectory } from './make-directory.ts'
import { describeServing, openServedStorage } from './open-storage.ts'
import { keepStorage } from './keep-storage.ts'
import { openWeb } from './open-web.ts'
import { openPacker } from './open-packer.ts'
import { openPopularity } from './open-popularity.ts'
import { openSources, servesOnlyBundled } from './open-sources.ts'

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
  /** What a name is built for; see `findPlatforms`. */
  platforms(name: string): Promise<Platforms | undefined>
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
  const specs = await openImageSpecs(config, grammar, opening)
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
    platforms: (name) => findPlatforms(tools, name),
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
