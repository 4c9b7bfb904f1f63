import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { ok, warn } from './finding.ts'
import { readNixSettings } from './nix-settings.ts'

export async function checkSandbox(
  config: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const value = (await readNixSettings(config, signal)).get('sandbox')
  if (value === 'true') return [ok('builders are shut in')]
  return [
    warn(
      value === 'relaxed'
        ? 'some builders may leave their sandbox (sandbox = relaxed)'
        : 'builders see the machine and its network (sandbox = false)',
      'set sandbox = true in nix.conf, where user namespaces allow it',
    ),
  ]
}
