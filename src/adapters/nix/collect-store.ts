import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import { sweepDeadOwners } from '#adapters/filesystem/owned-directory.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import { parseValidityRegistration } from '#core/nix/validity-registration.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { CollectedStore, StoreCollectionOptions } from '#engine/ports/store-collector.ts'
import { openNix, type Nix, type NixOptions } from './nix.ts'

export interface CollectableStore extends NixOptions {
  /** Where builds of this machine keep their leases; those of dead processes hold nothing. */
  readonly leaseDirectory: string
}

/** Half a kilobyte per path: half a million paths, more than any one machine has. */
const stdoutLimitBytes = 256 * 1024 * 1024

/** 20,000 paths take a second and a half. */
const queryTimeoutMs = 600_000

/** Removing files takes the disk as long as it takes; what is removed by then stays removed. */
const collectionTimeoutMs = 4 * 60 * 60_000

// Nix counts blocks of the disk, its database bytes of archives: what one round leaves too much is
// little, and gone after another one or two.
const mostRounds = 3

/**
 * Removes packages that nothing holds from the Nix store until it has at most `mostBytes`, as Nix's
 * database counts them. Which of them go is Nix's choice. Safe beside builds, whose leases are
 * roots.
 */
export async function collectStore(
  { leaseDirectory, ...options }: CollectableStore,
  { mostBytes, dryRun, observe }: StoreCollectionOptions,
  signal: AbortSignal,
): Promise<CollectedStore> {
  const nix = await openNix(options)
  if (!dryRun)
    await guardFilesystem(`cannot sweep the lease directory ${leaseDirectory}`, () =>
      sweepDeadOwners(leaseDirectory, Date.now()),
    )
  const before = await readSizes(nix, signal)
  const sizeBytes = sum(before.values())
  const excessBytes = sizeBytes - mostBytes
  const removed = { removedPaths: 0, removedBytes: 0 }
  if (excessBytes <= 0) return { sizeBytes, ...removed }
  if (dryRun) {
    const deadBytes = await measureDead(nix, before, signal)
    return { sizeBytes, ...removed, removedBytes: Math.min(excessBytes, deadBytes), deadBytes }
  }

  observe(0, excessBytes)
  let left: Sizes = before
  for (let round = 0; round < mostRounds; round += 1) {
    const restBytes = sum(left.values()) - mostBytes
    if (restBytes <= 0) break
    let doneBytes = excessBytes - restBytes
    await collect(nix, restBytes, signal, (path) => {
      doneBytes += before.get(path) ?? 0
      observe(Math.min(doneBytes, excessBytes), excessBytes)
    })
    const after = await readSizes(nix, signal)
    // Of the rest every path is held.
    const isDone = !left.keys().some((path) => !after.has(path))
    left = after
    if (isDone) break
  }
  const gone = [...before].filter(([path]) => !left.has(path))
  return {
    sizeBytes,
    removedPaths: gone.length,
    removedBytes: sum(gone.map(([, pathBytes]) => pathBytes)),
  }
}

type Sizes = ReadonlyMap<StorePath, number>

/** Every store path with its size, from Nix's database: reading the files would take minutes. */
async function readSizes(nix: Nix, signal: AbortSignal): Promise<Sizes> {
  const text = await query(nix, ['--dump-db'], queryTimeoutMs, signal)
  const nodes = parseValidityRegistration(text)
  if (nodes === undefined)
    throw new OperatingError(
      'NIX_FAILED',
      'nix-store --dump-db printed what this version cannot read',
    )
  return new Map(nodes.map(({ path, narSizeBytes }) => [path, narSizeBytes]))
}

async function measureDead(nix: Nix, sizes: Sizes, signal: AbortSignal): Promise<number> {
  const text = await query(nix, ['--gc', '--print-dead'], queryTimeoutMs, signal)
  // Beside paths it prints what builds left that failed, which has no size in the database.
  return sum(text.split('\n').map((line) => sizes.get(line as StorePath) ?? 0))
}

// Nix says it of everything that it removes, in these words since 2.0.
const deletingPattern = /^deleting '([^']+)'/

async function collect(
  nix: Nix,
  freedBytes: number,
  signal: AbortSignal,
  onRemoved: (path: StorePath) => void,
): Promise<void> {
  const onStderrLine = (line: string) => {
    const path = deletingPattern.exec(line)?.[1]
    if (path !== undefined) onRemoved(path as StorePath)
  }
  const args = ['--gc', '--max-freed', String(freedBytes)]
  await query(nix, args, collectionTimeoutMs, signal, onStderrLine)
}

function query(
  nix: Nix,
  args: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
  onStderrLine: (line: string) => void = () => {},
): Promise<string> {
  return nix.query(
    { command: 'nix-store', args, timeoutMs, stdoutLimitBytes, onStderrLine },
    signal,
  )
}

function sum(sizes: Iterable<number>): number {
  return Iterator.from(sizes).reduce((total, size) => total + size, 0)
}
