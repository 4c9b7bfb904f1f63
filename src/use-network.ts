import { proxySettings } from './proxy-settings.ts'
import { trustCertificates } from './trusted-certificates.ts'

/** Makes connections of this process by the proxies of the environment, and trust its certificates. */
export function useNetwork(environment: Readonly<Record<string, string | undefined>>): void {
  // Nix and git look for both by themselves, Node's fetch only when it is told to.
  // An import would also load the client of web sockets, which takes as long as Node itself.
  process.getBuiltinModule('node:http').setGlobalProxyFromEnv(proxySettings(environment))
  trustCertificates(environment)
}
