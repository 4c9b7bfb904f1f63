import assert from 'node:assert/strict'
import { test } from 'node:test'

import { defaultForgeArchives, readLockedInput, type InputOrigin } from './flake-input.ts'

const rev = '829cec0e9e960aeed1cbb2b3fe0495ca0ec7973a'
const hex = '00'.repeat(32)
const narHash = `sha256-${Buffer.from(hex, 'hex').toString('base64')}`
const read = (locked: Readonly<Record<string, unknown>>) =>
  readLockedInput(locked, defaultForgeArchives)

const github = { type: 'github', owner: 'NixOS', repo: 'nixpkgs', rev, narHash }
const origins: readonly (readonly [locked: Readonly<Record<string, unknown>>, InputOrigin])[] = [
  [github, { kind: 'tarball', url: `https://github.com/NixOS/nixpkgs/archive/${rev}.tar.gz` }],
  [
    { ...github, host: 'git.example.com:8443' },
    { kind: 'tarball', url: `https://git.example.com:8443/NixOS/nixpkgs/archive/${rev}.tar.gz` },
  ],
  [
    { ...github, type: 'gitlab', owner: 'group%2Fsub' },
    {
      kind: 'tarball',
      url: `https://gitlab.com/group/sub/nixpkgs/-/archive/${rev}/nixpkgs-${rev}.tar.gz`,
    },
  ],
  [
    { ...github, type: 'sourcehut', owner: '~rycee' },
    { kind: 'tarball', url: `https://git.sr.ht/~rycee/nixpkgs/archive/${rev}.tar.gz` },
  ],
  [
    { type: 'tarball', url: 'https://x.org/a.tar.xz?rev=1', narHash },
    { kind: 'tarball', url: 'https://x.org/a.tar.xz?rev=1' },
  ],
  [
    { type: 'file', url: 'file+https://x.org/a.json', narHash },
    { kind: 'file', url: 'https://x.org/a.json' },
  ],
  [
    { type: 'git', url: 'ssh://git@x.org/a', rev, narHash },
    { kind: 'git', url: 'ssh://git@x.org/a', commit: rev },
  ],
  [
    { type: 'path', path: './sub' },
    { kind: 'path', path: './sub' },
  ],
]

for (const [locked, origin] of origins) {
  test(`readLockedInput() knows where ${JSON.stringify(locked).slice(0, 60)} comes from`, () => {
    const outcome = read(locked)
    assert.ok(outcome.kind === 'input', JSON.stringify(outcome))
    assert.deepEqual(outcome.input.origin, origin)
    assert.equal(outcome.input.narHash, 'narHash' in locked ? hex : undefined)
  })
}

test('readLockedInput() gives what Nix passes on to the flake', () => {
  const outcome = read({ ...github, lastModified: 1706745599, revCount: 7, dir: 'sub' })
  assert.ok(outcome.kind === 'input')
  assert.deepEqual(outcome.input.info, {
    narHash,
    rev,
    shortRev: '829cec0',
    revCount: 7,
    lastModified: 1706745599,
    lastModifiedDate: '20240131235959',
  })
})

const unusable: readonly (readonly [locked: Readonly<Record<string, unknown>>, message: RegExp])[] =
  [
    [{ type: 'indirect', id: 'nixpkgs' }, /type "indirect", which this registry does not fetch/],
    [{ type: 'hg', url: 'https://x.org', narHash }, /type "hg"/],
    [{ narHash }, /has the type undefined/],
    [{ ...github, narHash: undefined }, /without a SHA-256 narHash/],
    [{ ...github, narHash: 'sha512-x' }, /without a SHA-256 narHash/],
    [{ ...github, rev: 'master' }, /no usable rev/],
    [{ ...github, owner: '../..' }, /no usable owner/],
    [{ ...github, owner: 'a/../b' }, /no usable owner/],
    [{ ...github, repo: 'a?b' }, /no usable repo/],
    [{ ...github, host: 'x.org/y' }, /no usable host/],
    [{ type: 'tarball', url: 'file:///etc/passwd', narHash }, /neither http nor https/],
    [{ type: 'file', url: 5, narHash }, /neither http nor https/],
    [{ type: 'git', url: 'file:///srv', rev, narHash }, /none of https/],
    [{ type: 'git', url: 'ext::sh -c x', rev, narHash }, /none of https/],
    [{ type: 'git', url: 'https://x.org/a', narHash }, /without a commit/],
    [{ type: 'git', url: 'https://x.org/a', rev, narHash, submodules: true }, /submodules/],
    [{ type: 'path', path: '/home/me/flake', narHash }, /only paths inside the flake/],
  ]

for (const [locked, message] of unusable) {
  test(`readLockedInput() refuses ${JSON.stringify(locked).slice(0, 60)}`, () => {
    const outcome = read(locked)
    assert.ok(outcome.kind === 'unusable', JSON.stringify(outcome))
    assert.match(outcome.message, message)
  })
}
