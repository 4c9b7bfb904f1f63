import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  newestDebianPackageSet,
  prepareDebianPackageSet,
  removeOutdatedDebianPackageSets,
  storedDebianPackageSet,
  type StoredDebianPackageSet,
} from '#package-sets/debian/debian-package-set.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { PackageSet, PackageSource } from '#engine/ports/package-source.ts'
import { onlyLatest } from './only-latest.ts'
import { ServedRevisions } from './served-revisions.ts'

export interface BundledSourceOptions {
  readonly name: string
  readonly stateDirectory: string
  readonly mirror: { readonly main?: string; readonly security?: string }
  /** How often the index is renewed; 0 is never. */
  readonly refreshMs: number
  readonly clock: Clock
  readonly onProgress: (line: string) => void
  readonly onFailure: (error: unknown) => void
}

/** A build may take a week (NIXERY_BUILD_DEADLINE), and wait as long for its turn. */
const longestBuildMs = 14 * 24 * 60 * 60 * 1000

/**
 * The bundled Debian set. A set that is there is served at once, and renewed in the background on
 * its schedule; only the very first start waits for the index. A renewal that fails changes nothing.
 * What is served, or was when a build began, is held against removal by this process and its peers.
 */
export async function createBundledSource(
  options: BundledSourceOptions,
  signal: AbortSignal,
): Promise<PackageSource & { close(): Promise<void> }> {
  const { name, stateDirectory, mirror, refreshMs, clock, onProgress, onFailure } = options
  await using opened = new AsyncDisposableStack()
  const served = await ServedRevisions.open(join(stateDirectory, 'served'))
  opened.defer(() => served.close())
  const closing = new AbortController()

  /** False when a peer had begun to remove the revision. */
  async function hold({ identity, entry }: PackageSet): Promise<boolean> {
    await served.hold(identity)
    return existsSync(entry)
  }

  async function findStored(): Promise<StoredDebianPackageSet | undefined> {
    let stored = await newestDebianPackageSet(stateDirectory)
    while (stored !== undefined && !(await hold(stored.set)))
      stored = await newestDebianPackageSet(stateDirectory)
    return stored
  }

  async function prepare(until: AbortSignal): Promise<PackageSet> {
    for (;;) {
      const source = await prepareDebianPackageSet({ stateDirectory, mirror }, onProgress, until)
      if (await hold(source)) return source
    }
  }

  const stored = await findStored()
  let current = stored?.set ?? (await prepare(signal))
  let stopTimer = () => {}

  function schedule(ageMs: number): void {
    if (refreshMs > 0) stopTimer = clock.after(Math.max(0, refreshMs - ageMs), () => void refresh())
  }

  async function refresh(): Promise<void> {
    try {
      replace(await prepare(closing.signal))
      await removeOutdatedDebianPackageSets(stateDirectory, () => served.all())
    } catch (error) {
      if (closing.signal.aborted) return
      onFailure(error)
    }
    schedule(0)
  }

  function replace(next: PackageSet): void {
    const { identity } = current
    current = next
    if (identity === next.identity) return
    clock.after(longestBuildMs, () => {
      if (current.identity !== identity) served.release(identity).catch(onFailure)
    })
  }

  const pin = (tag: string) =>
    onlyLatest(tag, () => ({
      source: name,
      revision: current.identity,
      identity: current.identity,
      fixed: true,
    }))

  // A service that is restarted often must not put its renewal off for ever.
  schedule(stored === undefined ? 0 : Date.now() - stored.preparedAtMs)
  const resources = opened.move()
  return {
    pin: async (tag) => pin(tag),
    recall: pin,
    // What was served when a build began is held for longer than it may take.
    fetch: async ({ identity }) => ({
      kind: 'fetched',
      set: storedDebianPackageSet(stateDirectory, identity),
    }),
    async close() {
      stopTimer()
      closing.abort()
      await resources.disposeAsync()
    },
  }
}
