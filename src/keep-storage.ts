import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { collectStore } from '#adapters/nix/collect-store.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { runGc, type GcTools } from '#apps/cli/run-gc.ts'
import { runVerify, type VerifyTools } from '#apps/cli/run-verify.ts'
import { usualGraceMs } from '#core/retention/retention-policy.ts'
import { collectGarbage } from '#engine/upkeep/collect-garbage.ts'
import type { Storage } from '#engine/ports/storage.ts'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'
import type { CollectedStore, StoreCollectionOptions } from '#engine/ports/store-collector.ts'
import { collectionEvent, scheduleCollections } from '#engine/upkeep/schedule-collections.ts'
import { verifyStorage } from '#engine/upkeep/verify-storage.ts'
import { readConfig, type Config } from './config.ts'
import { nixOptions } from './open-nix.ts'
import { describeStorage, openStorage, requireStorage } from './open-storage.ts'
import { stayAlive } from './stay-alive.ts'

/** `nixery verify`, wired. Gives the exit code, throws what keeps it from its work. */
export async function runVerifyCommand(args: readonly string[]): Promise<number> {
  const tools: VerifyTools = {
    clock: systemClock,
    describeStorage: () => describeStorage(readConfig(process.env).storage),
    async verify({ repair, observe }, signal) {
      await using opened = await openToKeep()
      const repairAs = nameOf('verify')
      return await verifyStorage(opened.storage, { ...(repair && { repairAs }), observe }, signal)
    },
  }
  return stayAlive(() => runVerify(args, tools, process, untilInterrupted()))
}

/** `nixery gc`, wired. Gives the exit code, throws what keeps it from its work. */
export async function runGcCommand(args: readonly string[]): Promise<number> {
  const tools: GcTools = {
    clock: systemClock,
    nowMs: Date.now,
    describeStorage: () => describeStorage(readConfig(process.env).storage),
    limits() {
      const { everyMs: _, ...limits } = readConfig(process.env).collection
      return limits
    },
    async collect(policy, options, signal) {
      await using opened = await openToKeep()
      const collector = { collector: nameOf('gc'), nowMs: Date.now }
      return await collectGarbage(opened.storage, policy, { ...options, ...collector }, signal)
    },
    collectStore: (options, signal) => collectPackages(readConfig(process.env), options, signal),
  }
  return stayAlive(() => runGc(args, tools, process, untilInterrupted()))
}

/** Collects garbage as often as the configuration says, until it is closed. */
export function keepStorage(
  config: Config,
  storage: Storage,
  observer: StorageObserver,
): { close(): Promise<void> } {
  const { everyMs, nixStoreBytes, ...limits } = config.collection
  if (everyMs === 0) return { close: async () => {} }
  const collector = nameOf('gc')
  const plan = { everyMs, clock: systemClock, observer, random: Math.random }
  const schedules = [
    scheduleCollections({
      ...plan,
      subject: 'garbage',
      collect: async (signal) =>
        collectionEvent(
          await collectGarbage(
            storage,
            { ...limits, graceMs: usualGraceMs },
            { dryRun: false, collector, observe: () => {}, nowMs: Date.now },
            signal,
          ),
        ),
    }),
  ]
  if (nixStoreBytes !== undefined)
    schedules.push(
      scheduleCollections({
        ...plan,
        subject: 'packages',
        async collect(signal) {
          const options = { mostBytes: nixStoreBytes, dryRun: false, observe: () => {} }
          const { removedPaths, removedBytes } = await collectPackages(config, options, signal)
          return { kind: 'packages-collected', paths: removedPaths, sizeBytes: removedBytes }
        },
      }),
    )
  return {
    async close() {
      await Promise.all(schedules.map((schedule) => schedule.close()))
    },
  }
}

function collectPackages(
  config: Config,
  options: StoreCollectionOptions,
  signal: AbortSignal,
): Promise<CollectedStore> {
  const leaseDirectory = join(config.stateDirectory, 'leases')
  return collectStore({ ...nixOptions(config), leaseDirectory }, options, signal)
}

/** The storage as it is, without what mends it on the way or keeps copies of it. */
async function openToKeep(): Promise<AsyncDisposable & { readonly storage: Storage }> {
  const config = readConfig(process.env)
  await requireStorage(config.storage)
  const storage = await openStorage(config)
  return { storage, [Symbol.asyncDispose]: () => storage.close() }
}

/** Two on one storage must not take each other's notices for their own. */
function nameOf(purpose: string): string {
  return `${purpose}-${randomBytes(6).toString('hex')}`
}

/** The first Ctrl-C ends the work in an orderly way, a second one at once. */
function untilInterrupted(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => stopping.abort(new Error('interrupted')))
  return stopping.signal
}
