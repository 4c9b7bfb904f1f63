import { randomUUID } from 'node:crypto'
import { formatOneLine } from '#core/text/one-line.ts'
import { stripTerminalCodes } from '#core/nix/structured-log.ts'
import { openNix, type Nix, type NixOptions } from './nix.ts'

/**
 * What becomes of a builder that should run in a sandbox. `message` is Nix's own line.
 *
 * - `shut-in`: it runs in one.
 * - `without`: Nix cannot make one; as it is configured, the builder runs all the same.
 * - `fails`: it cannot run.
 * - `unknown`: it runs, and only the daemon knows in what: it takes these settings from trusted users
 *   alone, and Nix 2.8 does not tell whether it has taken them.
 */
export type SandboxProbe =
  | { readonly kind: 'shut-in' | 'unknown' }
  | { readonly kind: 'without' | 'fails'; readonly message: string }

/** What kept a builder from running; nothing when it ran. */
type Obstacle = string | undefined

/** Has Nix build an empty directory, which takes no program of any package, and removes it again. */
export async function probeSandbox(
  options: NixOptions,
  signal: AbortSignal,
): Promise<SandboxProbe> {
  const nix = await openNix(options)
  const obstacle = await tryBuilder(nix, sandboxOrNothing, signal)
  if (obstacle === undefined)
    return { kind: nix.installation.store.access === 'daemon' ? 'unknown' : 'shut-in' }
  const isRunning = (await tryBuilder(nix, new Map(), signal)) === undefined
  return { kind: isRunning ? 'without' : 'fails', message: obstacle }
}

// Nix's own builder is part of Nix and goes through the same set-up of a sandbox as any other.
const expression = (name: string) =>
  `derivation { name = "${name}"; system = "builtin"; builder = "builtin:buildenv"; derivations = ""; manifest = "/none"; }`

// Here and now, whatever the settings say of other machines.
const localBuild: ReadonlyMap<string, string> = new Map([
  ['builders', ''],
  ['max-jobs', '1'],
  ['substitute', 'false'],
])

const sandboxOrNothing: ReadonlyMap<string, string> = new Map([
  ['sandbox', 'true'],
  ['sandbox-fallback', 'false'],
])

async function tryBuilder(
  nix: Nix,
  settings: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Obstacle> {
  const limits = { timeoutMs: 15_000, stdoutLimitBytes: 64 * 1024 }
  // What was built before is not built again, so it needs a name of its own.
  const args = ['--expr', expression(`nixery-probe-${randomUUID()}`)]
  const derivation = await nix.query({ command: 'nix-instantiate', args, ...limits }, signal)
  const paths = [derivation.trim()]
  try {
    const end = await nix.call(
      {
        command: 'nix-store',
        args: ['--realise', ...paths],
        settings: new Map([...localBuild, ...settings]),
        ...limits,
      },
      signal,
    )
    if (end.kind !== 'succeeded') return firstError(end.stderrTail)
    paths.unshift(end.stdout.trim())
    return undefined
  } finally {
    // What is left, because another process looks at it, goes with the next collection of garbage.
    await nix.call({ command: 'nix-store', args: ['--delete', ...paths], ...limits }, signal)
  }
}

/** Nix's line about what went wrong first; newer versions say before it what they were doing. */
function firstError(stderr: string): string {
  const lines = stripTerminalCodes(stderr)
    .split('\n')
    .map((line) => line.trim())
  const error = lines.find((line) => /^error: \S/.test(line))
  return formatOneLine((error ?? lines.at(-1) ?? '').replace(/^error: */, ''))
}
