import assert from 'node:assert/strict'
import { test } from 'node:test'

import { admitsVersion, parseDependencyField } from './dependency-field.ts'

test('parseDependencyField() reads alternatives, bounds and architecture qualifiers', () => {
  assert.deepEqual(parseDependencyField('libc6 (>= 2.36), awk | mawk, python3:any (<< 3.12)'), [
    [{ name: 'libc6', bound: { relation: '>=', version: '2.36' } }],
    [{ name: 'awk' }, { name: 'mawk' }],
    [{ name: 'python3', bound: { relation: '<<', version: '3.12' } }],
  ])
})

test('parseDependencyField() reads the relations of old lists', () => {
  assert.deepEqual(parseDependencyField('a (< 1), b (> 2)'), [
    [{ name: 'a', bound: { relation: '<=', version: '1' } }],
    [{ name: 'b', bound: { relation: '>=', version: '2' } }],
  ])
})

test('parseDependencyField() leaves out what breaks the grammar', () => {
  assert.deepEqual(parseDependencyField(', a b, $(x), ../y, c'), [[{ name: 'c' }]])
})

test('admitsVersion() checks the bound, and admits all without one', () => {
  assert.ok(admitsVersion({ name: 'a' }, '0'))
  const bounded = { name: 'a', bound: { relation: '>=', version: '2' } } as const
  assert.ok(admitsVersion(bounded, '2.1'))
  assert.ok(!admitsVersion(bounded, '1.9'))
})
