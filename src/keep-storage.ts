import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { collectStore } from '#adapters/nix/collect-store.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { usualGraceMs } from '#core/retention/retention-policy.ts'
import { collectGarbage } from '#engine/upkeep/collect-garbage.ts'
import type { Storage } from '#engine/ports/storage.ts'
import type { StorageObserver } from '#engine/ports/storage-observer.ts'
import type { CollectedStore, StoreCollectionOptions } from '#engine/ports/store-collector.ts'
import { collectionEvent, scheduleCollections } from '#engine/upkeep/schedule-collections.ts'
import type { Config } from './config.ts'
import { nixOptions } from './open-nix.ts'

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

/** Removes of the Nix store what nobody needs; `nixery gc` does it too. */
export function collectPackages(
  config: Config,
  options: StoreCollectionOptions,
  signal: AbortSignal,
): Promise<CollectedStore> {
  const leaseDirectory = join(config.stateDirectory, 'leases')
  return collectStore({ ...nixOptions(config), leaseDirectory }, options, signal)
}

/** Two on one storage must not take each other's notices for their own. */
export function nameOf(purpose: string): string {
  return `${purpose}-${randomBytes(6).toString('hex')}`
}
