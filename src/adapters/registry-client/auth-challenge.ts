/** How a registry wants its clients to log in (RFC 9110, section 11.6.1; distribution's token specification). */
export type AuthChallenge =
  | { readonly kind: 'basic' }
  | {
      readonly kind: 'bearer'
      /** Where tokens are given out. */
      readonly realm: string
      readonly service?: string
      readonly scope?: string
    }

/** Reads `WWW-Authenticate`; `undefined` when it names no scheme that is known here. Bearer wins. */
export function parseAuthChallenge(header: string): AuthChallenge | undefined {
  const bearer = /(?:^|,)\s*bearer\s+(.*)$/is.exec(header)?.[1]
  if (bearer === undefined) return /(?:^|,)\s*basic\b/i.test(header) ? { kind: 'basic' } : undefined
  const parameters = new Map(
    [...bearer.matchAll(/([a-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi)].map(
      ([, name = '', quoted, plain]) => [
        name.toLowerCase(),
        quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '',
      ],
    ),
  )
  const [realm, service, scope] = ['realm', 'service', 'scope'].map((name) => parameters.get(name))
  if (realm === undefined || !URL.canParse(realm)) return undefined
  return {
    kind: 'bearer',
    realm,
    ...(service !== undefined && { service }),
    ...(scope !== undefined && { scope }),
  }
}
