import { OperatingError } from '#engine/operating-error.ts'
import type { StoreAccess } from './nix-environment.ts'
import { openNix, type NixOptions } from './nix.ts'

export interface NixProbe {
  /** `2.8.0` */
  readonly version: string
  readonly access: StoreAccess
}

/** The structured log and the settings that the service relies on came together in 2.4. */
const oldestVersion = [2, 4] as const

/** Finds Nix and tries the store once, so that the service does not start without. */
export async function probeNix(options: NixOptions, signal: AbortSignal): Promise<NixProbe> {
  const nix = await openNix(options)
  const version = parseNixVersion(await ask(['--version']))
  // Opens the database, or talks to the daemon.
  await ask(['--query', '--requisites'])
  return { version, access: nix.access }

  function ask(args: readonly string[]): Promise<string> {
    return nix.query(
      { command: 'nix-store', args, timeoutMs: 30_000, stdoutLimitBytes: 64 * 1024 },
      signal,
    )
  }
}

/** `2.8.0` of `nix-store (Nix) 2.8.0`; forks print their own name and a Nix version at the end. */
function parseNixVersion(text: string): string {
  const match = /(\d+)\.(\d+)\S*\s*$/.exec(text)
  if (!match) throw new OperatingError('NIX_FAILED', `nix-store --version printed "${text.trim()}"`)
  const [major, minor] = [Number(match[1]), Number(match[2])]
  if (major < oldestVersion[0] || (major === oldestVersion[0] && minor < oldestVersion[1])) {
    throw new OperatingError('NIX_TOO_OLD', `this is Nix ${match[0].trim()}; 2.4 is the oldest`)
  }
  return match[0].trim()
}
