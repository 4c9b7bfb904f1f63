import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistrySpelling } from './registry-spelling.ts'

test('names() gives what a look-up reads as the attribute', () => {
  const cases: ReadonlyArray<readonly [attribute: string, name: string | undefined]> = [
    ['git', 'git'],
    ['bashInteractive', 'bashinteractive'],
    ['g++', 'gplusplus'],
    ['_7zz', '7zz'],
    ['python3.11', 'python3.11'],
    // Two that fold alike: neither can be asked for, unless a name means one of them exactly.
    ['TwoCases', undefined],
    ['twocasES', undefined],
    ['exact', 'exact'],
    ['EXACT', undefined],
    // What no registry client can ask for.
    ['__internal', undefined],
    ['ends-', undefined],
    ['a/b', undefined],
    ['two words', undefined],
    ['ünder', undefined],
    ['', undefined],
    ['absent', undefined],
    ['l'.repeat(256), undefined],
  ]
  const attributes = cases.map(([attribute]) => attribute).filter((it) => it !== 'absent')
  const names = RegistrySpelling.ofTopLevel(attributes).names()
  for (const [attribute, name] of cases) assert.equal(names.get(attribute), name, attribute)
})

test('within() gives names that lead into a set, and not to what the top level has', () => {
  const top = RegistrySpelling.ofTopLevel([
    'Xorg',
    'xorg.shadowed',
    'Python3',
    'python3.11',
    'a',
    'A.B',
  ])
  const check = (set: string, attributes: readonly string[], expected: Record<string, string>) =>
    assert.deepEqual(Object.fromEntries(top.within(set, attributes).names()), expected)
  check('Xorg', ['libX11', 'shadowed', 'XS', 'xs', 'Xt', 'xT', '_q', 'c++'], {
    libX11: 'xorg.libx11',
    xs: 'xorg.xs',
    _q: 'xorg.q',
    'c++': 'xorg.cplusplus',
  })
  check('Python3', ['11', '12', '11.minimal'], { '12': 'python3.12' })
  check('a', ['b', 'c', 'b.c', 'bc'], { c: 'a.c', bc: 'a.bc' })
  check('a', ['l'.repeat(254)], {})
  assert.throws(() => top.within('nobody', ['member']), /no name leads to nobody/)
})

test('within() leads into sets of sets, past what a longer name means at any level', () => {
  const top = RegistrySpelling.ofTopLevel(['Haskell', 'haskell.packages.taken'])
  const haskell = top.within('Haskell', ['Packages', 'packages.ghc96'])
  const packages = haskell.within('Packages', ['taken', 'ghc96', 'GHC98', '98.2', 'c++'])
  assert.deepEqual(Object.fromEntries(packages.names()), {
    GHC98: 'haskell.packages.ghc98',
    '98.2': 'haskell.packages.98.2',
    'c++': 'haskell.packages.cplusplus',
  })
  const ghc = packages.within('GHC98', ['Aeson'])
  assert.deepEqual(Object.fromEntries(ghc.names()), { Aeson: 'haskell.packages.ghc98.aeson' })
})
