import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TarEntry } from '#core/tar/tar-entry.ts'
import { addBaseSkeleton } from './base-skeleton.ts'
import { addNode, listTarEntries, makeDirectory } from './root-tree.ts'

test('addBaseSkeleton() gives an empty root what every system has', () => {
  const found = describe(skeletonOver({}))
  assert.match(found.get('etc/nsswitch.conf')!, /^hosts: files dns$/m)
  assert.match(found.get('etc/passwd')!, /^root:x:0:0:root:\/root:\/bin\/sh$/m)
  assert.match(found.get('etc/passwd')!, /^nobody:x:65534:65534:/m)
  assert.match(found.get('etc/group')!, /^nogroup:x:65534:$/m)
  for (const path of ['etc/nsswitch.conf', 'etc/passwd', 'etc/group']) found.delete(path)
  assert.deepEqual(
    [...found],
    [
      ['dev', '755'],
      ['etc', '755'],
      ['proc', '755'],
      ['root', '700'],
      ['run', '755'],
      ['sys', '755'],
      ['tmp', '1777'],
      ['var', '755'],
      ['var/run', '-> ../run'],
      ['var/tmp', '1777'],
    ],
  )
})

test('addBaseSkeleton() gives every account a group, and no number twice', () => {
  const found = describe(skeletonOver({}))
  const fields = (path: string) =>
    found
      .get(path)!
      .trim()
      .split('\n')
      .map((line) => line.split(':'))
  const groups = fields('etc/group').map(([, , id]) => id)
  const users = fields('etc/passwd')
  assert.equal(new Set(groups).size, groups.length)
  assert.equal(new Set(users.map(([, , id]) => id)).size, users.length)
  for (const [name = '', , , group = ''] of users) assert.ok(groups.includes(group), name)
})

test('addBaseSkeleton() links bin/sh to the first shell, unless there is one', () => {
  check(['bin/dash', 'bin/bash'], 'bin/sh', '-> bash')
  check(['bin/zsh', 'bin/busybox'], 'bin/sh', '-> busybox')
  check(['bin/bash', 'bin/sh'], 'bin/sh', '-> /nix/store/bin/sh')
  check(['bin/fish'], 'bin/sh', undefined)
})

test('addBaseSkeleton() shows in usr what the root has', () => {
  check(['bin/env'], 'usr/bin', '-> ../bin')
  check(['bin/env'], 'usr/bin/env', undefined)
  check(['share/man/x'], 'usr/share', '-> ../share')
  check(['share/man/x'], 'usr/lib', undefined)
  check(['bin/env', 'usr/bin/x'], 'usr/bin/env', '-> ../../bin/env')
  check(['usr/bin/x'], 'usr/bin/env', undefined)
})

test('addBaseSkeleton() gives the certificates both of their names', () => {
  check(['etc/ssl/certs/ca-bundle.crt'], 'etc/ssl/certs/ca-certificates.crt', '-> ca-bundle.crt')
  check(
    ['etc/ssl/certs/ca-certificates.crt'],
    'etc/ssl/certs/ca-bundle.crt',
    '-> ca-certificates.crt',
  )
  check(['etc/ssl/certs/x'], 'etc/ssl/certs/ca-bundle.crt', undefined)
})

test('addBaseSkeleton() leaves what packages provide, but for modes', () => {
  check(['etc/passwd'], 'etc/passwd', '-> /nix/store/etc/passwd')
  check(['var/run/x'], 'var/run', '755')
  check(['root/x'], 'root', '700')
  check(['var/tmp/x'], 'var/tmp', '1777')
})

test('addBaseSkeleton() puts the link var/run in the place of an empty directory', () => {
  const root = makeDirectory()
  addNode(root, 'var/run', makeDirectory())
  addBaseSkeleton(root)
  assert.equal(describe(listTarEntries(root)).get('var/run'), '-> ../run')
})

function check(provided: readonly string[], path: string, expected: string | undefined): void {
  const links = Object.fromEntries(provided.map((name) => [name, `/nix/store/${name}`]))
  assert.equal(describe(skeletonOver(links)).get(path), expected)
}

function skeletonOver(links: Readonly<Record<string, string>>): readonly TarEntry[] {
  const root = makeDirectory()
  for (const [path, target] of Object.entries(links)) {
    assert.ok(addNode(root, path, { kind: 'symlink', target }))
  }
  addBaseSkeleton(root)
  return listTarEntries(root)
}

function describe(entries: readonly TarEntry[]): Map<string, string> {
  return new Map(
    entries.map((entry) => {
      if (entry.kind === 'symlink') return [entry.path, `-> ${entry.target}`]
      if (entry.kind === 'directory') return [entry.path, entry.mode.toString(8)]
      return [entry.path, Buffer.from(entry.contents).toString()]
    }),
  )
}
