import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a request that changes something comes from a page of this service, or from no page at all.
 * Browsers say where a page is from (fetch.spec.whatwg.org, `Origin`; w3c.github.io/webappsec-fetch-metadata).
 * A proxy in front may speak https, so only host and port are compared; one that puts its own name for
 * the service into `Host` leaves what the browser found itself, which no page can set.
 */
export function isSameOrigin(headers: IncomingHttpHeaders): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (site === 'same-origin') return true
  if (site === 'cross-site') return false
  if (origin === undefined) return true
  if (host === undefined || !URL.canParse(origin)) return false
  const { protocol, host: originHost } = new URL(origin)
  const own = `${protocol}//${host}`
  // The port that a scheme implies may be left out on one side.
  return URL.canParse(own) && new URL(own).host === originHost
}
