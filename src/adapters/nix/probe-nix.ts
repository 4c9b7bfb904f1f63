import type { StoreAccess } from './nix-environment.ts'
import { openNix, type NixOptions } from './nix.ts'

export interface NixProbe {
  /** `2.8.0` */
  readonly version: string
  readonly access: StoreAccess
}

/** Finds Nix and tries the store once, so that the service does not start without. */
export async function probeNix(options: NixOptions, signal: AbortSignal): Promise<NixProbe> {
  const nix = await openNix(options)
  // Opens the database, or talks to the daemon.
  await nix.query(
    {
      command: 'nix-store',
      args: ['--query', '--requisites'],
      timeoutMs: 30_000,
      stdoutLimitBytes: 64 * 1024,
    },
    signal,
  )
  const { version, store } = nix.installation
  return { version, access: store.access }
}

/** Sandbox escapes and privilege escalations were mended up to this version; Debian 12 has 2.8.0. */
export const firstMendedNix = '2.24.8'

export function lacksSecurityFixes(version: string): boolean {
  return version.localeCompare(firstMendedNix, 'en', { numeric: true }) < 0
}
