import assert from 'node:assert/strict'
import { test } from 'node:test'

import * as fc from 'fast-check'

import type { ClosureNode } from './closure-graph.ts'
import { parseStorePath } from './store-path.ts'
import { parseValidityRegistration } from './validity-registration.ts'

const digest = 'a'.repeat(64)
const libc = storePath('libc')
const jq = storePath('jq')

function storePath(name: string) {
  const path = parseStorePath(`/nix/store/${'0'.repeat(32)}-${name}`)
  assert.ok(path)
  return path
}

function record(node: ClosureNode, references: readonly string[] = node.references): string {
  const lines = [node.path, digest, node.narSizeBytes, '', references.length, ...references]
  return lines.map((line) => `${line}\n`).join('')
}

test('parseValidityRegistration() drops self-references and sorts', () => {
  const text = `${record({ path: libc, narSizeBytes: 96, references: [] }, [libc])}${record(
    { path: jq, narSizeBytes: 328, references: [] },
    [libc, jq],
  )}`
  assert.deepEqual(parseValidityRegistration(text), [
    { path: jq, narSizeBytes: 328, references: [libc] },
    { path: libc, narSizeBytes: 96, references: [] },
  ])
})

test('parseValidityRegistration() refuses what is cut off or not a registration', () => {
  const whole = record({ path: jq, narSizeBytes: 328, references: [libc] })
  for (let end = 1; end < whole.length; end++) {
    assert.equal(parseValidityRegistration(whole.slice(0, end)), undefined, String(end))
  }
  assert.equal(parseValidityRegistration(`${whole}\n`), undefined)
  assert.equal(parseValidityRegistration(whole.replace('328', '-1')), undefined)
  assert.equal(parseValidityRegistration(whole.replaceAll('libc', 'libc/bin')), undefined)
})

test('parseValidityRegistration() gives back what was registered', () => {
  const name = fc.stringMatching(/^[-+._?=0-9a-zA-Z]{1,20}$/)
  const node = fc.record({
    path: name.map(storePath),
    narSizeBytes: fc.nat(),
    references: fc.uniqueArray(name.map(storePath)),
  })
  const nodes = fc.uniqueArray(node, { selector: (it) => it.path })
  fc.assert(
    fc.property(nodes, (registered) => {
      const expected = registered
        .map((it) => ({ ...it, references: it.references.filter((to) => to !== it.path).sort() }))
        .sort((a, b) => (a.path < b.path ? -1 : 1))
      const text = registered.map((it) => record(it)).join('')
      assert.deepEqual(parseValidityRegistration(text), expected)
    }),
  )
})
