import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseFlakeLock, reachableNodes, type FlakeLock } from './flake-lock.ts'

function lockOf(nodes: object, version = 7): FlakeLock {
  const outcome = parseFlakeLock({ version, root: 'root', nodes })
  assert.ok(outcome.kind === 'lock', JSON.stringify(outcome))
  return outcome.lock
}

const locked = { type: 'github', owner: 'o', repo: 'r', rev: 'abc', narHash: 'sha256-x' }

test('parseFlakeLock() reads inputs, follows resolved', () => {
  const lock = lockOf({
    root: { inputs: { nixpkgs: 'nixpkgs', tools: 'tools', again: ['tools', 'pkgs'] } },
    nixpkgs: { locked, original: { id: 'nixpkgs', type: 'indirect' } },
    tools: { inputs: { pkgs: ['nixpkgs'], files: 'files', itself: [] }, locked },
    files: { flake: false, locked },
    'left-over': { locked },
  })
  const inputs = new Map([...lock.nodes].map(([name, node]) => [name, [...node.inputs]]))
  assert.deepEqual(inputs.get('root'), [
    ['nixpkgs', 'nixpkgs'],
    ['tools', 'tools'],
    ['again', 'nixpkgs'],
  ])
  assert.deepEqual(inputs.get('tools'), [
    ['pkgs', 'nixpkgs'],
    ['files', 'files'],
    ['itself', 'root'],
  ])
  assert.deepEqual(
    [...lock.nodes].map(([name, node]) => [name, node.isFlake]),
    [
      ['root', true],
      ['nixpkgs', true],
      ['tools', true],
      ['files', false],
      ['left-over', true],
    ],
  )
  assert.deepEqual(lock.nodes.get('nixpkgs')?.locked, locked)
  assert.deepEqual(reachableNodes(lock), ['nixpkgs', 'tools', 'files'])
})

test('parseFlakeLock() finds the tree that a relative path is in', () => {
  const lock = lockOf({
    root: { inputs: { a: 'a', b: 'b' } },
    a: { locked: { type: 'path', path: './a' }, parent: [] },
    b: { locked: { type: 'path', path: './b' }, parent: ['a'] },
  })
  assert.deepEqual(
    [...lock.nodes.values()].map((node) => node.parent),
    [undefined, 'root', 'a'],
  )
})

test('parseFlakeLock() reads versions 5 to 7', () => {
  for (const version of [5, 6, 7]) assert.equal(lockOf({ root: {} }, version).nodes.size, 1)
})

const root = { inputs: { a: 'a' } }
const invalid: readonly (readonly [what: string, value: unknown, message: RegExp])[] = [
  ['no object', [], /the file is not an object/],
  ['another version', { version: 4, root: 'root', nodes: { root: {} } }, /version is 4/],
  ['no root', { version: 7, root: 'none', nodes: {} }, /no root/],
  ['a node of the prototype', { version: 7, root: 'constructor', nodes: {} }, /no root/],
  ['a node that is not there', { version: 7, root: 'root', nodes: { root } }, /no node a/],
  [
    'a path that leads nowhere',
    { version: 7, root: 'root', nodes: { root: { inputs: { a: ['b'] } } } },
    /root has no input b to follow/,
  ],
  [
    'inputs that follow each other',
    { version: 7, root: 'root', nodes: { root: { inputs: { a: ['b'], b: ['a'] } } } },
    /in a circle/,
  ],
  [
    'an input that is a number',
    { version: 7, root: 'root', nodes: { root: { inputs: { a: 1 } } } },
    /neither a node nor a path/,
  ],
  [
    'an input that is locked by a text',
    { version: 7, root: 'root', nodes: { root, a: { locked: 'x' } } },
    /locked of a is not an object/,
  ],
]

for (const [what, value, message] of invalid) {
  test(`parseFlakeLock() refuses ${what}`, () => {
    const outcome = parseFlakeLock(value)
    assert.ok(outcome.kind === 'invalid')
    assert.match(outcome.message, message)
  })
}
