import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistrySpelling } from './registry-spelling.ts'

test('ofTopLevel() gives the name that a look-up reads as the attribute', () => {
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
  const spelling = new RegistrySpelling(
    cases.map(([attribute]) => attribute).filter((attribute) => attribute !== 'absent'),
  )
  for (const [attribute, name] of cases)
    assert.equal(spelling.ofTopLevel(attribute), name, attribute)
})

test('within() gives names that lead into a set, and not to what the top level has', () => {
  const spelling = new RegistrySpelling([
    'Xorg',
    'xorg.shadowed',
    'Python3',
    'python3.11',
    'a',
    'A.B',
  ])
  const check = (set: string, attributes: readonly string[], expected: Record<string, string>) =>
    assert.deepEqual(Object.fromEntries(spelling.within(set, attributes)), expected)
  check('Xorg', ['libX11', 'shadowed', 'XS', 'xs', 'Xt', 'xT', '_q', 'c++'], {
    libX11: 'xorg.libx11',
    xs: 'xorg.xs',
    _q: 'xorg.q',
    'c++': 'xorg.cplusplus',
  })
  check('Python3', ['11', '12', '11.minimal'], { '12': 'python3.12' })
  check('a', ['b', 'c', 'b.c', 'bc'], { c: 'a.c', bc: 'a.bc' })
  check('nobody', ['member'], {})
  check('a', ['l'.repeat(254)], {})
})
