import { randomUUID } from 'node:crypto'
import { formatOneLine } from '#core/text/one-line.ts'
import { stripTerminalCodes } from '#core/nix/structured-log.ts'
import { openNix, type Nix, type NixCall, type NixOptions } from './nix.ts'
import { commandFailure } from './operating-failure.ts'

/**
 * What becomes of a builder that should run in a sandbox. `message` is Nix's own line.
 *
 * - `shut-in`: it runs in one.
 * - `without`: Nix cannot make one; as it is configured, the builder runs all the same.
 * - `fails`: it cannot run as Nix is configured.
 * - `unknown`: it runs, and only the daemon knows in what: it takes these settings from trusted users
 *   alone, and Nix 2.8 does not tell whether it has taken them.
 */
export type SandboxProbe =
  | { readonly kind: 'shut-in' | 'unknown' }
  | { readonly kind: 'without' | 'fails'; readonly message: string }

/** What kept a builder from running; nothing when it ran. */
type Obstacle = string | undefined

/**
 * Has Nix build next to nothing. What is built stays until the next collection of garbage: a path of
 * some bytes, which is the same every time where a sandbox can be made.
 */
export async function probeSandbox(
  options: NixOptions,
  signal: AbortSignal,
): Promise<SandboxProbe> {
  const builders = new Builders(await openNix(options), signal)
  const obstacle = await builders.tryShutIn()
  if (obstacle === undefined) return { kind: builders.areOfDaemon ? 'unknown' : 'shut-in' }
  const worse = await builders.tryAsConfigured()
  return worse === undefined
    ? { kind: 'without', message: obstacle }
    : { kind: 'fails', message: worse }
}

// Nix's own builder is part of Nix and goes through the same set-up of a sandbox as any other.
const expression = (name: string) =>
  `derivation { name = "${name}"; system = "builtin"; builder = "builtin:buildenv"; derivations = ""; manifest = "/none"; }`

// Here and now, whatever the settings say of other machines.
const localBuild: ReadonlyMap<string, string> = new Map([
  ['builders', ''],
  ['max-jobs', '1'],
  ['substitute', 'false'],
  ['post-build-hook', ''],
])

const sandboxOrNothing: ReadonlyMap<string, string> = new Map([
  ...localBuild,
  ['sandbox', 'true'],
  ['sandbox-fallback', 'false'],
])

// Nix needs a fraction of a second; a busy machine gets most of what the doctor waits for a check (20 s).
const limits = { timeoutMs: 15_000, stdoutLimitBytes: 64 * 1024 } as const

class Builders {
  readonly #nix: Nix
  readonly #signal: AbortSignal

  constructor(nix: Nix, signal: AbortSignal) {
    this.#nix = nix
    this.#signal = signal
  }

  get areOfDaemon(): boolean {
    return this.#nix.installation.store.access === 'daemon'
  }

  async tryShutIn(): Promise<Obstacle> {
    const derivation = await this.#instantiate('nixery-sandbox-probe')
    const build = ['--realise', derivation]
    // Nothing is done where an earlier run has built it; a check builds again what is there.
    return (
      (await this.#obstacle(build, sandboxOrNothing)) ??
      this.#obstacle([...build, '--check'], sandboxOrNothing)
    )
  }

  /** Without a sandbox Nix cannot check what is there, so the derivation is a new one. */
  async tryAsConfigured(): Promise<Obstacle> {
    const derivation = await this.#instantiate(`nixery-sandbox-probe-${randomUUID()}`)
    return this.#obstacle(['--realise', derivation], localBuild)
  }

  async #instantiate(name: string): Promise<string> {
    const args = ['--expr', expression(name)]
    const call: NixCall = { command: 'nix-instantiate', args, ...limits }
    return (await this.#nix.query(call, this.#signal)).trim()
  }

  async #obstacle(
    args: readonly string[],
    settings: ReadonlyMap<string, string>,
  ): Promise<Obstacle> {
    const call: NixCall = { command: 'nix-store', args, settings, ...limits }
    const end = await this.#nix.call(call, this.#signal)
    if (end.kind === 'succeeded') return undefined
    if (end.kind === 'failed') return firstError(end.stderrTail)
    throw commandFailure(call.command, end)
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
