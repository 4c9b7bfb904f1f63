import type { ClosureGraph } from '#core/nix/closure-graph.ts'
import type { PackagePolicy } from '#core/request/package-policy.ts'
import type { ClosureTooLarge } from './build-outcome.ts'

/** Whether a closure is larger than the operator serves. */
export function findTooLarge(
  { nodes }: ClosureGraph,
  policy: PackagePolicy,
): ClosureTooLarge | undefined {
  const sizeBytes = nodes.reduce((sum, { narSizeBytes }) => sum + narSizeBytes, 0)
  const mostBytes = policy.maxClosureBytes ?? Number.POSITIVE_INFINITY
  return sizeBytes > mostBytes ? { kind: 'closure-too-large', sizeBytes, mostBytes } : undefined
}
