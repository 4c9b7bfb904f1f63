import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSourcesFile, SourcesFileError } from './sources-file.ts'

test('parseSourcesFile() reads every kind of source', () => {
  const { usual, sources } = parseSourcesFile(`
default: ours
sources:
  nixpkgs: { channel: nixos-26.05, tags: [nixos-*] }
  ours: { git: "git@example.org:pkgs.git", entry: nix/set.nix, anyCommit: true }
  local: { path: /srv/packages }
  debian: { bundled: debian }
`)
  assert.equal(usual, 'ours')
  assert.deepEqual(Object.fromEntries(sources), {
    nixpkgs: { kind: 'nixpkgs', channel: 'nixos-26.05', tags: ['nixos-*'], anyCommit: false },
    ours: {
      kind: 'git',
      url: 'git@example.org:pkgs.git',
      entry: 'nix/set.nix',
      tags: ['*'],
      anyCommit: true,
    },
    local: { kind: 'path', path: '/srv/packages' },
    debian: { kind: 'bundled' },
  })
})

test('parseSourcesFile() takes the first source as the usual one', () => {
  const { usual } = parseSourcesFile('{"sources": {"b": {"path": "/b"}, "a": {"path": "/a"}}}')
  assert.equal(usual, 'b')
})

test('parseSourcesFile() says what is wrong, and where', () => {
  const wrong: ReadonlyArray<readonly [text: string, message: RegExp]> = [
    ['', /^is empty$/],
    ['sources: [', /^is no YAML at line 1, column \d+: .*[^:]$/],
    ['sources: {}', /^sources: must be names with values, at least one$/],
    ['sources: { Ours: { path: /a } }', /^sources\.Ours: its name must be a component/],
    ['sources: { ours: { path: a } }', /^sources\.ours\.path: must begin with \/$/],
    [
      'sources: { ours: { git: /a, tags: ["v[0-9]"] } }',
      /sources\.ours\.tags\.0: must be a pattern/,
    ],
    ['sources: { ours: { git: packages } }', /sources\.ours\.git: must be an address/],
    [
      'sources: { ours: { channel: nixos..unstable } }',
      /sources\.ours\.channel: must be a channel/,
    ],
    ['sources: { ours: { path: /a, git: /b } }', /sources\.ours: must be one of bundled/],
    [
      'sources: { ours: { gti: /a } }',
      /^sources\.ours: gti is not known here: must be one of bundled/,
    ],
    ['default: x\nsources: { ours: { path: /a } }', /default: there is no source x/],
    ['sources: { ours: { path: /a } }\nmore: 1', /^more is not known here$/],
  ]
  for (const [text, message] of wrong) {
    assert.throws(
      () => parseSourcesFile(text),
      (error) => error instanceof SourcesFileError && message.test(error.message),
      text,
    )
  }
})
