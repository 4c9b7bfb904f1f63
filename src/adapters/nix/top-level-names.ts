import { openNix, type NixOptions } from './nix.ts'
import {
  PackageSetQuery,
  type EvaluationOptions,
  type PackageSetView,
} from './package-set-query.ts'

// Naming 80,000 attributes takes nixpkgs some seconds.
const evaluation: EvaluationOptions = { evaluationTimeoutMs: 120_000, evaluationMemoryMiB: 4096 }

/** The names at the top level of a package set. Throws when the set cannot be evaluated. */
export async function listTopLevelNames(
  options: NixOptions,
  view: PackageSetView,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const query = new PackageSetQuery(await openNix(options), evaluation, view, signal)
  const found = await findTopLevelNames(query)
  if (found.kind === 'found') return found.names
  throw new Error(`${view.set.entry} ${found.message}`)
}

export type TopLevelNames =
  | { readonly kind: 'found'; readonly names: readonly string[] }
  /** What is wrong with the set, in words that go on from its name; for a reason that may pass, or always. */
  | { readonly kind: 'unreadable'; readonly message: string; readonly mayPass: boolean }

/** The names at the top level of the query's set. */
export async function findTopLevelNames(query: PackageSetQuery): Promise<TopLevelNames> {
  const names = await query.attributeNames([])
  if (names.length > 0) return { kind: 'found', names }
  // Nothing is there, or nothing can be read: looking for anything tells the one from the other.
  const answer = await query.lookUp(['anything'], { catch: false })
  switch (answer.kind) {
    case 'results':
      return { kind: 'found', names }
    case 'timed-out':
      return { kind: 'unreadable', message: 'cannot be evaluated in time', mayPass: true }
    case 'error':
    case 'nix-too-old':
      return {
        kind: 'unreadable',
        message: `is no package set: ${answer.message}`,
        // A lack of memory, or a process that was ended.
        mayPass: !answer.isOwnWords,
      }
  }
}
