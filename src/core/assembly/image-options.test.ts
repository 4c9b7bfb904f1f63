import assert from 'node:assert/strict'
import { test } from 'node:test'
import { platformOf } from '#core/nix/system.ts'
import type { RequestedOptions } from '#core/request/requested-options.ts'
import { imageOptions } from './image-options.ts'

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin:/usr/games'
const certificates = 'SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt'

function optionsOf(options: RequestedOptions, { shell = false, bash = true } = {}) {
  const request = { platform: platformOf('amd64'), shell, packages: ['jq'], options }
  return imageOptions(request, { bash, caBundle: true })
}

test('imageOptions() starts bash where it was asked for and is there', () => {
  assert.deepEqual(optionsOf({}), { env: [path, certificates] })
  assert.deepEqual(optionsOf({}, { shell: true }).cmd, ['bash'])
  assert.equal(optionsOf({}, { shell: true, bash: false }).cmd, undefined)
  assert.equal(optionsOf({ entrypoint: ['git'] }, { shell: true }).cmd, undefined)
  assert.equal(optionsOf({ cmd: [] }, { shell: true }).cmd, undefined)
  assert.deepEqual(optionsOf({ cmd: ['git'] }, { shell: true }).cmd, ['git'])
})

test('imageOptions() replaces variables of its own and sorts the others', () => {
  const { env } = optionsOf({ env: { Z: '1', SSL_CERT_FILE: '/mine', A: 'x=y' } })
  assert.deepEqual(env, [path, 'SSL_CERT_FILE=/mine', 'A=x=y', 'Z=1'])
})

test('imageOptions() knows one way to say nothing', () => {
  const nothing = { entrypoint: [], cmd: [], env: {}, user: '', labels: {}, exposedPorts: [] }
  assert.deepEqual(optionsOf(nothing), optionsOf({}))
})
