import type { StorePath } from '#core/nix/store-path.ts'
import type { Nix } from './nix.ts'
import type { StoreQuestions } from './store-questions.ts'

const timeoutMs = 30_000

/** A line each of a few hundred paths. */
const stdoutLimitBytes = 1024 * 1024

/** Those of the paths that are not in the store. */
export async function invalidPaths(
  nix: Nix,
  store: StoreQuestions,
  paths: Iterable<StorePath>,
  signal: AbortSignal,
): Promise<ReadonlySet<StorePath>> {
  const wanted = new Set(paths)
  const valid = await store.ask((session) => session.validPaths([...wanted]), signal)
  if (valid !== undefined) return wanted.difference(valid)
  const args = ['--check-validity', '--print-invalid', ...wanted]
  const call = { command: 'nix-store', args, timeoutMs, stdoutLimitBytes } as const
  const printed = await nix.query(call, signal)
  return wanted.intersection(new Set(printed.split('\n')))
}
