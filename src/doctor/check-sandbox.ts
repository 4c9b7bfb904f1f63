import { probeSandbox, type SandboxProbe } from '#adapters/nix/probe-sandbox.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { nixOptions } from '../open-nix.ts'
import { fail, ok, warn } from './finding.ts'
import { readNixSettings } from './nix-settings.ts'

/** What the settings say, and whether it can be had on this machine. */
export async function checkSandbox(
  config: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (config.substituteOnly) return [ok('none is needed: nothing is built from source')]
  const settings = await readNixSettings(config, signal)
  if (settings.get('max-jobs') === '0')
    return [ok('none is needed here: other machines build (max-jobs = 0)')]
  return [describeSandbox(await probeSandbox(nixOptions(config), signal), settings)]
}

const allow = 'let the service make user and mount namespaces (docs/security.md)'

/** `settings` are those of nix.conf, which a daemon may have read at another time. */
export function describeSandbox(
  found: SandboxProbe,
  settings: ReadonlyMap<string, string>,
): Finding {
  const sandbox = settings.get('sandbox')
  if (found.kind === 'fails')
    return fail(
      `no builder can start: ${found.message}`,
      sandbox === 'false' ? 'mend what Nix names' : `${allow}, or set sandbox = false in nix.conf`,
    )
  if (sandbox === 'false' || sandbox === 'relaxed')
    return warn(
      sandbox === 'false'
        ? 'builders see the machine and its network (sandbox = false)'
        : 'some builders may leave their sandbox (sandbox = relaxed)',
      found.kind === 'without'
        ? `${allow}, and set sandbox = true in nix.conf; Nix says now: ${found.message}`
        : 'set sandbox = true in nix.conf',
    )
  if (found.kind === 'without')
    return warn(`Nix cannot make a sandbox, and builds without: ${found.message}`, allow)
  return ok(
    found.kind === 'shut-in'
      ? 'builders are shut in; one was tried'
      : 'builders are to be shut in (sandbox = true); only the daemon knows whether they are',
  )
}
