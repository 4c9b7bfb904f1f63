import { existsSync } from 'node:fs'
import type { Finding } from '#apps/cli/run-doctor.ts'
import { fail, ok } from './finding.ts'

interface Bootstrap {
  /** What the machine lacks for `purpose`, and how a person brings it. */
  readonly describeMissing: (
    purpose: 'serve',
  ) => { readonly tools: string; readonly installation: string } | undefined
}

/** What `npm start` would install first. Container images and Nix packages bring their tools, and no bootstrap. */
export async function checkTools(): Promise<readonly Finding[]> {
  const path = new URL('../../bootstrap/describe-missing.js', import.meta.url)
  if (!existsSync(path)) return []
  const { describeMissing } = (await import(path.href)) as Bootstrap
  const missing = describeMissing('serve')
  return missing === undefined
    ? [ok('the service has all programs and files of the machine that it needs')]
    : [fail(`${missing.tools} missing`, missing.installation)]
}
