/** Lists a set on a thread, whose memory can be limited; posts its outcome and the names. */
import { parentPort, workerData } from 'node:worker_threads'
import { listPackages, usualLimits } from '#adapters/nix/list-packages.ts'
import type { PackageSetView } from '#adapters/nix/package-set-query.ts'

const { view, mostPaths } = workerData as {
  readonly view: PackageSetView
  readonly mostPaths: number
}
const names: string[] = []
const outcome = await listPackages(
  { inheritedEnvironment: process.env },
  view,
  (some) => names.push(...some.map(({ name }) => name)),
  new AbortController().signal,
  { ...usualLimits, mostPaths },
)
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window, a worker
parentPort?.postMessage({ outcome, names })
