import { join } from 'node:path'

import { OperatingError } from '#engine/operating-error.ts'
import { detectStoreAccess, nixEnvironment, type StoreAccess } from './nix-environment.ts'
import { findOperatingFailure } from './operating-failure.ts'
import { runProcess, type ProcessEnd } from './run-process.ts'

/** The classic commands; all that the service needs, and the same in every Nix since 2.8. */
export type NixCommand = 'nix-instantiate' | 'nix-store'

export interface NixOptions {
  /** Where the Nix programs are; found in PATH when not given. */
  readonly binDirectory?: string
  /** Settings of nix.conf beside or instead of what the operator's own file says. */
  readonly settings?: ReadonlyMap<string, string>
  /** Of the service; only an allow-list is passed on. */
  readonly inheritedEnvironment?: Readonly<NodeJS.ProcessEnv>
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

// A peer that does not answer must not use up the time of a whole build.
const everyCallSettings: ReadonlyMap<string, string> = new Map([
  ['connect-timeout', '10'],
  ['download-attempts', '3'],
  ['fallback', 'true'],
])

/** Runs Nix commands in the service's environment. */
export class Nix {
  readonly access: StoreAccess
  readonly #options: NixOptions
  readonly #accessSettings: ReadonlyMap<string, string>

  constructor(
    options: NixOptions,
    store: { readonly access: StoreAccess; readonly settings: ReadonlyMap<string, string> },
  ) {
    this.access = store.access
    this.#accessSettings = store.settings
    this.#options = options
  }

  /** Ends with whatever Nix said; throws only what the operator must mend. */
  async call(call: NixCall, signal: AbortSignal): Promise<ProcessEnd> {
    const { binDirectory, inheritedEnvironment = process.env } = this.#options
    const settings = new Map([
      ...everyCallSettings,
      ...this.#accessSettings,
      ...(this.#options.settings ?? []),
      ...(call.settings ?? []),
    ])
    const environment = nixEnvironment(inheritedEnvironment, settings)
    for (const [name, value] of call.environment ?? []) environment.set(name, value)
    const { command, args, timeoutMs, stdoutLimitBytes, onStderrLine } = call
    return runProcess(
      {
        command: binDirectory === undefined ? command : join(binDirectory, command),
        args,
        environment,
        timeoutMs,
        stdoutLimitBytes,
        ...(onStderrLine && { onStderrLine }),
      },
      signal,
    )
  }

  /** The output of a command that no request can make fail. */
  async query(call: NixCall, signal: AbortSignal): Promise<string> {
    const end = await this.call(call, signal)
    if (end.kind === 'succeeded') return end.stdout
    throw (
      findOperatingFailure(end.stderrTail) ??
      new OperatingError('NIX_FAILED', `${call.command} ended with ${end.status}`, {
        cause: new Error(end.stderrTail.slice(-2000)),
      })
    )
  }
}

/** Finds out how Nix is reached on this machine. */
export async function openNix(options: NixOptions): Promise<Nix> {
  // A user id of 0 is what Windows would get; Nix does not run there.
  return new Nix(options, await detectStoreAccess(process.getuid?.() ?? 0))
}
