import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { servesOnlyBundled } from '../open-sources.ts'
import { ok, warn } from './finding.ts'
import { readNixSettings } from './nix-settings.ts'
import { isHttp, reach, withoutLogin, withSlash } from './reach.ts'

export async function checkCaches(
  config: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const urls = await listCaches(config, signal)
  if (urls.length === 0) {
    return [
      servesOnlyBundled(config)
        ? ok('none is needed: the bundled set is in nobody’s cache')
        : warn('none is configured', 'set NIXERY_SUBSTITUTERS, or everything is built from source'),
    ]
  }
  const mend =
    'check the address and the network, or take it out of NIXERY_SUBSTITUTERS or nix.conf: every build waits for it'
  return Promise.all(
    urls.map(async (url) => {
      const reached = await reach(new URL('nix-cache-info', withSlash(url)), signal)
      const shown = withoutLogin(url)
      if (reached.kind === 'silence') return warn(`${shown}: ${reached.message}`, mend)
      if (reached.status === 401 || reached.status === 403)
        return config.caches.netrcFile === undefined
          ? warn(`${shown} wants a login`, 'give it in NIXERY_NETRC')
          : ok(`${shown} answers and wants the login of NIXERY_NETRC`)
      return reached.status < 400
        ? ok(`${shown} answers`)
        : warn(`${shown} is no binary cache: it answers ${reached.status}`, mend)
    }),
  )
}

/** Those that are asked for packages and can be looked at from here; never for the bundled set alone. */
async function listCaches(config: Config, signal: AbortSignal): Promise<readonly string[]> {
  const own = config.caches.substituters
  if (servesOnlyBundled(config)) return own.filter(isHttp)
  const settings = await readNixSettings(config, signal)
  const all = `${settings.get('substituters') ?? ''} ${own.join(' ')}`.split(/\s+/)
  return [...new Set(all)].filter(isHttp)
}
