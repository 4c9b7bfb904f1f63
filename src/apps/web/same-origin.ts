import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a request that changes something comes from a page of this service, or from no page at all.
 * Browsers say where a page is from (fetch.spec.whatwg.org, `Origin`; w3c.github.io/webappsec-fetch-metadata).
 * A proxy in front may speak https, so only host and port are compared.
 */
export function isSameOrigin(headers: IncomingHttpHeaders): boolean {
  if (headers['sec-fetch-site'] === 'cross-site') return false
  const { origin, host } = headers
  if (origin === undefined) return true
  if (host === undefined || !URL.canParse(origin)) return false
  const { protocol, host: originHost } = new URL(origin)
  const own = `${protocol}//${host}`
  // The port that a scheme implies may be left out on one side.
  return URL.canParse(own) && new URL(own).host === originHost
}
