import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { ConfigError } from './config.ts'

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Lets Node trust whom OpenSSL's programs trust: with `SSL_CERT_FILE` or `NIX_SSL_CERT_FILE`, which
 * git and Nix read themselves and Node does not, the certificates of that file beside its own.
 */
export function trustCertificates(environment: Readonly<Record<string, string | undefined>>): void {
  // Both often name one file, and Node parses every certificate each time.
  const known = new Set<string>()
  for (const name of ['SSL_CERT_FILE', 'NIX_SSL_CERT_FILE']) {
    const path = environment[name]
    if (!path || known.has(path)) continue
    known.add(path)
    const found = readCertificates(name, path)
    setDefaultCACertificates([...new Set([...getCACertificates('default'), ...found])])
  }
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
