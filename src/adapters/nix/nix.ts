import { dirname, join } from 'node:path'

import { findProgram } from '#adapters/process/find-program.ts'
import { endWithParent, runProcess, type ProcessEnd } from '#adapters/process/run-process.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { chooseStore, nixEnvironment, type StoreChoice } from './nix-environment.ts'
import { NixProcess } from './nix-process.ts'
import { commandFailure } from './operating-failure.ts'
import { substitutionSettings, type SubstitutionOptions } from './substitution-settings.ts'

/** The classic commands, the same in every Nix since 2.8; only copying to a binary cache takes `nix`. */
export type NixCommand = 'nix-instantiate' | 'nix-store' | 'nix'

/** Commands that stay and answer questions. */
export type NixServant = 'nix-daemon' | 'nix'

export interface NixOptions extends SubstitutionOptions {
  /** Where the Nix programs are; found in PATH when not given. */
  readonly binDirectory?: string
  /** Settings of nix.conf beside or instead of what the operator's own file says. */
  readonly settings?: ReadonlyMap<string, string>
  /** Where Nix keeps what binary caches answered, instead of the user's own directory. */
  readonly cacheDirectory?: string
  /** Of the service; only an allow-list is passed on. */
  readonly inheritedEnvironment: Readonly<NodeJS.ProcessEnv>
}

export interface NixCall {
  readonly command: NixCommand
  readonly args: readonly string[]
  readonly timeoutMs: number
  readonly stdoutLimitBytes: number
  readonly settings?: ReadonlyMap<string, string>
  readonly environment?: ReadonlyMap<string, string>
  readonly onStderrLine?: (line: string) => void
}

export interface NixStart {
  readonly command: NixServant
  readonly args: readonly string[]
  /** It splices, and so takes nothing but pipes; Node has sockets. */
  readonly wantsPipes?: boolean
  readonly settings?: ReadonlyMap<string, string>
  readonly environment?: ReadonlyMap<string, string>
}

// A peer that does not answer must not use up the time of a whole build.
const everyCallSettings: ReadonlyMap<string, string> = new Map([
  ['connect-timeout', '10'],
  ['download-attempts', '3'],
  ['fallback', 'true'],
])

/**
 * How a command is ended. nix-store ends its builders when it gets SIGTERM, and leaves them behind
 * when it gets SIGKILL, so it has time for the first; evaluation in Nix 2.8 does not hear SIGTERM.
 */
const endings = {
  'nix-store': { graceMs: 20_000, whenOrphaned: 'TERM' },
  'nix-instantiate': { graceMs: 500, whenOrphaned: 'KILL' },
  nix: { graceMs: 5_000, whenOrphaned: 'TERM' },
} as const

const errorCodes = { missing: 'NIX_MISSING', failed: 'NIX_FAILED' } as const

/** Where things are on this machine. */
export interface NixInstallation {
  /** `2.8.0` */
  readonly version: string
  readonly binDirectory: string
  /** util-linux's setpriv ends a command when the service dies; without it orphans end by themselves. */
  readonly setpriv: string | undefined
  readonly store: StoreChoice
}

/** Runs Nix commands in the service's environment. */
export class Nix {
  readonly #options: NixOptions
  readonly #installation: NixInstallation

  constructor(options: NixOptions, installation: NixInstallation) {
    this.#options = options
    this.#installation = installation
  }

  get installation(): NixInstallation {
    return this.#installation
  }

  /** The same Nix, which remembers nothing of what binary caches ever answered. */
  withCacheDirectory(directory: string): Nix {
    return new Nix({ ...this.#options, cacheDirectory: directory }, this.#installation)
  }

  /** Ends with whatever Nix said; throws only what the operator must mend. */
  async call(call: NixCall, signal: AbortSignal): Promise<ProcessEnd> {
    const { timeoutMs, stdoutLimitBytes, onStderrLine } = call
    const ending = endings[call.command]
    const [command = '', ...args] = this.#commandLine(call, ending.whenOrphaned)
    return runProcess(
      {
        command,
        args,
        environment: this.#environment(call),
        timeoutMs,
        killGraceMs: ending.graceMs,
        stdoutLimitBytes,
        errorCodes,
        ...(onStderrLine && { onStderrLine }),
      },
      signal,
    )
  }

  /** The output of a command that no request can make fail. */
  async query(call: NixCall, signal: AbortSignal): Promise<string> {
    const end = await this.call(call, signal)
    if (end.kind === 'succeeded') return end.stdout
    throw commandFailure(call.command, end)
  }

  /** Starts a command that is asked one thing after the other; it ends with this process. */
  start(servant: NixStart): NixProcess {
    const [command = '', ...args] = this.#commandLine(servant, 'KILL')
    return new NixProcess({ command, args, environment: this.#environment(servant) })
  }

  #commandLine(call: NixCall | NixStart, whenOrphaned: 'TERM' | 'KILL'): readonly string[] {
    const { binDirectory, setpriv } = this.#installation
    const command = [join(binDirectory, call.command), ...call.args]
    const wantsPipes = 'wantsPipes' in call && call.wantsPipes
    const direct = wantsPipes ? ['/bin/sh', '-c', 'cat | "$0" "$@" | cat', ...command] : command
    return setpriv === undefined
      ? direct
      : endWithParent(setpriv, whenOrphaned, process.pid, direct)
  }

  #environment(call: NixCall | NixStart): ReadonlyMap<string, string> {
    const settings = new Map([
      ...everyCallSettings,
      ...this.#installation.store.settings,
      ...(this.#options.settings ?? []),
      ...substitutionSettings(this.#options),
      ...(call.settings ?? []),
    ])
    const environment = nixEnvironment(this.#options.inheritedEnvironment, settings)
    const { cacheDirectory } = this.#options
    if (cacheDirectory !== undefined) environment.set('XDG_CACHE_HOME', cacheDirectory)
    return new Map([...environment, ...(call.environment ?? [])])
  }
}

/** Finds out which Nix is on this machine, and how its store is reached. */
export async function openNix(options: NixOptions): Promise<Nix> {
  const inherited = options.inheritedEnvironment
  const searchPath = inherited['PATH'] ?? ''
  const program = await findProgram('nix-store', options.binDirectory ?? searchPath)
  if (program === undefined) {
    const where = options.binDirectory ?? 'PATH'
    throw new OperatingError('NIX_MISSING', `there is no nix-store in ${where}`)
  }
  const version = await askVersion(program)
  // Without user ids, as on Windows, there is no Nix either.
  const store = await chooseStore(process.getuid?.() ?? 0, inherited)
  const setpriv = await findProgram('setpriv', searchPath)
  return new Nix(options, { version, binDirectory: dirname(program), setpriv, store })
}

async function askVersion(program: string): Promise<string> {
  const end = await runProcess(
    {
      command: program,
      args: ['--version'],
      // It opens the store first, which not every user may: that is found out later, and said better.
      environment: new Map([['NIX_CONFIG', 'store = dummy://']]),
      timeoutMs: 30_000,
      killGraceMs: 500,
      stdoutLimitBytes: 64 * 1024,
      errorCodes,
    },
    new AbortController().signal,
  )
  return parseNixVersion(end.stdout)
}

/** The structured log and the settings that the service relies on came together in 2.4. */
const oldestVersion = [2, 4] as const

/** `2.8.0` of `nix-store (Nix) 2.8.0`; forks print their own name and a Nix version at the end. */
export function parseNixVersion(text: string): string {
  const match = /(\d+)\.(\d+)\S*\s*$/.exec(text)
  if (!match) throw new OperatingError('NIX_FAILED', `nix-store --version printed "${text.trim()}"`)
  const [major, minor] = [Number(match[1]), Number(match[2])]
  if (major < oldestVersion[0] || (major === oldestVersion[0] && minor < oldestVersion[1])) {
    throw new OperatingError('NIX_TOO_OLD', `this is Nix ${match[0].trim()}; 2.4 is the oldest`)
  }
  return match[0].trim()
}
