import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOptions } from './read-options.ts'

const options = {
  unused: { type: 'string', short: 'u' },
  'dry-run': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

function read(line: string) {
  return readOptions(line.split(' ').filter(Boolean), options)
}

test('readOptions() gives values, and what is no option', () => {
  const table = [
    ['', {}, []],
    ['-h', { help: true }, []],
    ['a --unused 3d b --dry-run', { unused: '3d', 'dry-run': true }, ['a', 'b']],
    ['--unused -3d', { unused: '-3d' }, []],
    ['--unused=', { unused: '' }, []],
    ['--unused=--x', { unused: '--x' }, []],
    ['--unused -', { unused: '-' }, []],
    ['-- --unused', {}, ['--unused']],
  ] as const
  for (const [line, given, others] of table) {
    const outcome = read(line)
    assert.ok(outcome.kind === 'read', line)
    assert.deepEqual({ ...outcome.values }, { 'dry-run': false, help: false, ...given }, line)
    assert.deepEqual(outcome.others, others, line)
  }
})

test('readOptions() says in one line what is wrong', () => {
  const table = [
    ['--fast', 'there is no option --fast'],
    ['--unsued', 'there is no option --unsued; did you mean --unused?'],
    ['--dry', 'there is no option --dry; did you mean --dry-run?'],
    ['-3d', 'there is no option -3'],
    ['--__proto__ x', 'there is no option --__proto__'],
    ['--toString', 'there is no option --toString'],
    ['--dry-run --unused', '--unused must have a value'],
    ['--unused --dry-run', '--unused must have a value, not --dry-run'],
    ['--unused -h', '--unused must have a value, not -h'],
    ['--dry-run=yes', '--dry-run=yes must be without a value'],
    ['-u=3d', '-u takes its value without =, as in -u 3d'],
  ] as const
  for (const [line, message] of table)
    assert.deepEqual(read(line), { kind: 'wrong', message }, line)
})
