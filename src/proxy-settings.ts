type Environment = Readonly<Record<string, string | undefined>>

/** Never asked for by way of a proxy, which could not reach them: Go's clients, docker among them, know that. */
const ownNames = ['localhost', '127.0.0.1', '::1']

/** The proxies of an environment as Node's fetch takes them, with this machine left out. */
export function proxySettings(environment: Environment): Record<string, string | undefined> {
  const { NO_PROXY, no_proxy = NO_PROXY, ...others } = environment
  return { ...others, no_proxy: [no_proxy, ...ownNames].filter(Boolean).join(',') }
}
