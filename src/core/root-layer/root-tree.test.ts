import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addNode, findNode, listTarEntries, makeDirectory, removeNode } from './root-tree.ts'

const link = { kind: 'symlink', target: '/x' } as const

test('addNode() makes the directories above and keeps what is there', () => {
  const root = makeDirectory()
  assert.ok(addNode(root, 'a/b/c', link))
  assert.ok(!addNode(root, 'a/b/c', makeDirectory()))
  assert.ok(!addNode(root, 'a/b/c/d', link))
  assert.ok(!addNode(root, 'a/b', link))
  assert.deepEqual(findNode(root, 'a/b/c'), link)
  assert.equal(findNode(root, 'a/b/c/d'), undefined)
  assert.equal(findNode(root, 'x/y'), undefined)
})

test('removeNode() removes one name', () => {
  const root = makeDirectory()
  for (const path of ['a/b', 'a/c', 'd']) addNode(root, path, link)
  removeNode(root, 'a/b')
  removeNode(root, 'd')
  removeNode(root, 'd/e')
  assert.deepEqual(
    listTarEntries(root).map(({ path }) => path),
    ['a', 'a/c'],
  )
})

test('listTarEntries() goes by the bytes of whole paths', () => {
  const root = makeDirectory()
  for (const path of ['a/b', 'a-', 'a0', 'B', '\xff', 'a.']) addNode(root, path, link)
  assert.deepEqual(
    listTarEntries(root).map(({ path }) => path),
    ['B', 'a', 'a-', 'a.', 'a/b', 'a0', '\xff'],
  )
})
