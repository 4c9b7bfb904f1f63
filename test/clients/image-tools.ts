import { runCommand } from './run-command.ts'
import type { Client } from './run-command.ts'

/** skopeo, with no signature policy but the tests' own. */
export const skopeo: Client = {
  run: (args, options) => runCommand('skopeo', ['--insecure-policy', ...args], options),
}

export const umoci: Client = { run: (args, options) => runCommand('umoci', args, options) }
