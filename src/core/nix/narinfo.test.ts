import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseNarinfo } from './narinfo.ts'

const jq = '0c0zrf0lhvcd7s2l3fgr5mrpnpm7bs9d-jq-1.6'
const glibc = '1c0zrf0lhvcd7s2l3fgr5mrpnpm7bs9d-glibc-2.36'
const oniguruma = '2c0zrf0lhvcd7s2l3fgr5mrpnpm7bs9d-oniguruma-6.9.8'

function narinfo(fields: Readonly<Record<string, string>>): string {
  return Object.entries({
    StorePath: `/nix/store/${jq}`,
    URL: 'nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.xz',
    Compression: 'xz',
    NarSize: '401232',
    References: '',
    Sig: 'cache.example-1:c2lnbmF0dXJl',
    ...fields,
  })
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('')
}

test('parseNarinfo() gives the path and what it refers to, sorted, once, without itself', () => {
  const text = narinfo({ References: `${oniguruma} ${jq} ${glibc} ${oniguruma}` })
  assert.deepEqual(parseNarinfo(text), {
    path: `/nix/store/${jq}`,
    references: [`/nix/store/${glibc}`, `/nix/store/${oniguruma}`],
  })
})

test('parseNarinfo() reads a path that refers to nothing', () => {
  assert.deepEqual(parseNarinfo(narinfo({}))?.references, [])
  assert.deepEqual(parseNarinfo(narinfo({}).replace('References: ', 'References:'))?.references, [])
})

test('parseNarinfo() refuses what is no narinfo', () => {
  const texts = [
    '',
    '<html><body>Sign in to this network</body></html>',
    narinfo({ StorePath: `/nix/store/${jq}/bin` }),
    narinfo({ StorePath: '' }),
    narinfo({ References: `/nix/store/${glibc}` }),
    narinfo({ References: 'glibc-2.36' }),
    narinfo({}).replace(/References.*\n/, ''),
    narinfo({}) + `StorePath: /nix/store/${glibc}\n`,
  ]
  for (const text of texts) assert.equal(parseNarinfo(text), undefined, text)
})
