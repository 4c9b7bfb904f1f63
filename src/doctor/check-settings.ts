import type { Finding } from '#apps/cli/run-doctor.ts'
import { findIdleSettings, type Config } from '../config.ts'
import { ok, warn } from './finding.ts'

/** What strangers could use, and what has no effect. */
export function checkSettings(config: Config): readonly Finding[] {
  const idle =
    config.sourcesFile === undefined ? findIdleSettings(config, [config.source.kind]) : []
  const findings = idle.map((name) => warn(`${name} changes nothing here`, `unset ${name}`))
  if (config.policy.maxClosureBytes === undefined)
    findings.push(
      warn(
        'images may be as large as anybody asks for',
        'set NIXERY_MAX_CLOSURE_MIB if strangers reach the service',
      ),
    )
  return findings.length > 0 ? findings : [ok('understood, none is without effect')]
}
