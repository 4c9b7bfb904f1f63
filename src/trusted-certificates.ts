import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { ConfigError } from './config.ts'

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Lets Node trust whom OpenSSL's programs trust: with `SSL_CERT_FILE` or `NIX_SSL_CERT_FILE`, which
 * git and Nix read themselves and Node does not, the certificates of that file beside its own.
 */
export function trustCertificates(environment: Readonly<Record<string, string | undefined>>): void {
  const found = ['SSL_CERT_FILE', 'NIX_SSL_CERT_FILE'].flatMap((name) => {
    const path = environment[name]
    return path ? readCertificates(name, path) : []
  })
  if (found.length === 0) return
  const trusted = new Set(getCACertificates('default'))
  const added = found.filter((each) => !trusted.has(each))
  // Parsing them takes longer than anything else here, and NODE_EXTRA_CA_CERTS may have brought all.
  if (added.length > 0) setDefaultCACertificates([...trusted, ...new Set(added)])
}

function readCertificates(name: string, path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1').match(certificate) ?? []
  } catch (cause) {
    throw new ConfigError(`${name}=${path} cannot be read: it must be a file of certificates`, {
      cause,
    })
  }
}
