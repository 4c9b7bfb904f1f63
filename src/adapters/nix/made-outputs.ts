import type { FoundPackage } from '#core/nix/package-outcome.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import type { Nix } from './nix.ts'
import type { StoreQuestions } from './store-questions.ts'

const timeoutMs = 30_000

/** A line for each output. */
const stdoutLimitBytes = 1024 * 1024

/**
 * What the derivations of packages make, by derivation. Rejects when one of the derivations is not in
 * the store.
 */
export async function queryMadeOutputs(
  nix: Nix,
  store: StoreQuestions,
  packages: readonly FoundPackage[],
  signal: AbortSignal,
): Promise<ReadonlyMap<StorePath, ReadonlySet<string>>> {
  const derivations = [...new Set(packages.map(({ derivation }) => derivation))]
  const answer = await store.ask((session) => session.outputsOf(derivations), signal)
  if (answer !== undefined) return answer
  const made = new Map<StorePath, ReadonlySet<string>>()
  for (const derivation of derivations) {
    const args = ['--query', '--outputs', derivation]
    const call = { command: 'nix-store', args, timeoutMs, stdoutLimitBytes } as const
    made.set(derivation, new Set((await nix.query(call, signal)).split('\n')))
  }
  return made
}

/** Packages whose outputs are those of their derivations, however long those stay in the store. */
export class ProvenPackages {
  readonly #proven = new WeakSet<FoundPackage>()

  add(found: FoundPackage): void {
    this.#proven.add(found)
  }

  has(found: FoundPackage): boolean {
    return this.#proven.has(found)
  }
}

/** Whether all outputs of a package are among these paths. */
export function namesOnly(
  { outputs }: FoundPackage,
  paths: ReadonlySet<string> | undefined,
): boolean {
  return paths !== undefined && outputs.every(({ path }) => paths.has(path))
}
