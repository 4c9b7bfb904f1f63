import { stat } from 'node:fs/promises'
import { formatAge } from '#apps/cli/duration.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import { findMachineMirror } from '#package-sets/debian/index/apt.ts'
import type { Config } from '../config.ts'
import { fail, ok } from './finding.ts'
import { isHttp, reach, withSlash } from './reach.ts'

/** Compares with the first server that says what time it has. */
export async function checkClock(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const mirror = config.debianMirror.main ?? (await findMachineMirror())?.main
  const servers = [...config.caches.substituters.filter(isHttp), ...(mirror ? [mirror] : [])]
  for (const server of servers) {
    const reached = await reach(new URL(withSlash(server)), signal)
    if (reached.kind === 'silence' || reached.nowMs === undefined) continue
    const skewMs = Math.abs(reached.nowMs - Date.now())
    const { host } = new URL(server)
    return [skewMs > mostSkewMs ? clockSkew(skewMs, host) : ok(`agrees with that of ${host}`)]
  }
  const { mtimeMs } = await stat(import.meta.filename)
  return [
    Date.now() < mtimeMs
      ? fail('the clock is before the time of this program’s own files', 'set the clock')
      : ok('looks right; no server says what time it has'),
  ]
}

// Signed requests to buckets are refused from five minutes on, and some certificates are young.
export const mostSkewMs = 60_000

export function clockSkew(skewMs: number, beside: string): Finding {
  return fail(
    `the clock differs by ${formatAge(skewMs)} from that of ${beside}`,
    'set the clock: timedatectl set-ntp true, or see why it is not kept',
  )
}
