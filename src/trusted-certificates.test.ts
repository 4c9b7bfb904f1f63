import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { skipUnless } from '#test/clients/availability.ts'
import { ConfigError } from './config.ts'
import { trustCertificates } from './trusted-certificates.ts'

test(
  'trustCertificates() lets fetch reach a server whose certificate is in the file',
  {
    skip: skipUnless(['openssl']),
  },
  async (context) => {
    const directory = await mkdtemp(join(tmpdir(), 'nixery-tls-'))
    context.after(() => rm(directory, { recursive: true, force: true }))
    const [keyPath, certificatePath] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    const files = ['-keyout', keyPath, '-out', certificatePath]
    await promisify(execFile)('openssl', [...make, ...name, ...files])
    const [key, cert] = [await readFile(keyPath), await readFile(certificatePath)]
    const server = createServer({ key, cert }, (_request, response) => response.end('hello'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    context.after(() => server.close().closeAllConnections())
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`

    await assert.rejects(fetch(url))
    trustCertificates({ SSL_CERT_FILE: certificatePath })
    assert.equal(await (await fetch(url)).text(), 'hello')
  },
)

test('trustCertificates() changes nothing without a file, and names one that is not there', () => {
  trustCertificates({ SSL_CERT_FILE: '' })
  assert.throws(() => trustCertificates({ SSL_CERT_FILE: '/not/there' }), ConfigError)
})
