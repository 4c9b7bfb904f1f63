import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeListings, type Listing, type MergedName } from './merge-listings.ts'
import type { StoreEntry } from './store-entry.ts'

const file = (name: string): StoreEntry => ({ name, kind: 'file' })
const directory = (name: string, target?: string): StoreEntry =>
  target === undefined ? { name, kind: 'directory' } : { name, kind: 'directory', target }

test('mergeListings() links the file of the first package that has one', () => {
  check('bin', [[file('sh')], [file('sh'), file('dash')]], {
    sh: link('/0/sh'),
    dash: link('/1/dash'),
  })
})

test('mergeListings() links a directory that one package provides', () => {
  check('share', [[directory('git-core')], [file('x')]], {
    'git-core': link('/0/git-core'),
    x: link('/1/x'),
  })
})

test('mergeListings() merges a directory that several packages provide', () => {
  check('share', [[directory('man')], [directory('man')]], { man: merged('/0/man', '/1/man') })
})

test('mergeListings() lets the first package decide between file and directory', () => {
  check('share', [[file('x')], [directory('x')], [directory('x')]], { x: link('/0/x') })
  check('share', [[directory('x')], [file('x')]], { x: link('/0/x') })
  check('share', [[directory('x')], [file('x')], [directory('x')]], { x: merged('/0/x', '/2/x') })
})

test('mergeListings() makes top directories, and all of etc and var, real', () => {
  check('', [[directory('bin')]], { bin: merged('/0/bin') })
  check('usr', [[directory('bin')]], { bin: merged('/0/bin') })
  check('usr/share', [[directory('doc')]], { doc: link('/0/doc') })
  check('etc', [[directory('ssl')]], { ssl: merged('/0/ssl') })
  check('var/lib/x', [[directory('y')]], { y: merged('/0/y') })
  check('etcetera', [[directory('y')]], { y: link('/0/y') })
})

test('mergeListings() takes only directories from the top, and none that are not for programs', () => {
  const top = ['dev', 'lib', 'nix', 'nix-support', 'proc', 'sys', 'tmp'].map((name) =>
    directory(name),
  )
  const outside: StoreEntry = { name: 'init', kind: 'outside', target: '/bin/init' }
  check('', [[...top, file('LICENSE'), outside]], { lib: merged('/0/lib') })
})

test('mergeListings() leaves dangling links out and lets links out of the store come last', () => {
  const dangling: StoreEntry = { name: 'x', kind: 'dangling' }
  const outside: StoreEntry = { name: 'x', kind: 'outside', target: '/etc/x' }
  check('bin', [[dangling]], {})
  check('bin', [[dangling], [outside]], { x: { kind: 'outside', target: '/etc/x' } })
  check('bin', [[outside], [file('x')]], { x: link('/1/x') })
})

test('mergeListings() enters a linked directory where it really is', () => {
  check('share', [[directory('man', '/9/man')], [directory('man')]], {
    man: merged('/9/man', '/1/man'),
  })
})

test('mergeListings() links a directory that leads back to one above it', () => {
  check('etc', [[directory('self', '/0')]], { self: link('/0/self') })
  const above = { directory: '/0' }
  const listing = { provider: { directory: '/0/x', above }, entries: [directory('up', '/0')] }
  assert.deepEqual(mergeListings('etc/x', [listing]), new Map([['up', link('/0/x/up')]]))
})

test('mergeListings() merges the others when one of them leads back', () => {
  check('share', [[directory('x')], [directory('x', '/1')], [directory('x')]], {
    x: merged('/0/x', '/2/x'),
  })
})

/** Package n provides what is in directory `/n`. */
function check(
  path: string,
  packages: readonly (readonly StoreEntry[])[],
  expected: Readonly<Record<string, Link | Merged>>,
): void {
  const listings = packages.map((entries, position): Listing => ({
    provider: { directory: `/${position}` },
    entries,
  }))
  const actual = [...mergeListings(path, listings)].map(([name, value]) => [
    name,
    withoutTrail(value),
  ])
  assert.deepEqual(Object.fromEntries(actual), expected)
}

type Link = Exclude<MergedName, { kind: 'directory' }>
type Merged = { readonly kind: 'directory'; readonly directories: readonly string[] }

function withoutTrail(name: MergedName): Link | Merged {
  return name.kind === 'directory' ? merged(...name.providers.map((one) => one.directory)) : name
}

function link(target: string): Link {
  return { kind: 'link', target }
}

function merged(...directories: string[]): Merged {
  return { kind: 'directory', directories }
}
