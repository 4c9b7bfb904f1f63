import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGcArguments } from './gc-arguments.ts'

function parse(line: string) {
  return parseGcArguments(line.split(' ').filter(Boolean))
}

test('parseGcArguments() fills in what is left out', () => {
  const usual = { kind: 'gc', limits: {}, graceMs: 3_600_000, dryRun: false, json: false }
  assert.deepEqual(parse(''), usual)
  assert.deepEqual(
    parse('--unused 30d --older-than 2w --max-size 50GiB --nix-store 500MiB --grace 30m'),
    {
      ...usual,
      limits: {
        unusedMs: 30 * 86_400_000,
        ageMs: 14 * 86_400_000,
        mostBytes: 50 * 2 ** 30,
        nixStoreBytes: 500 * 2 ** 20,
      },
      graceMs: 1_800_000,
    },
  )
  assert.deepEqual(parse('--dry-run --json --offline --grace 0s'), {
    ...usual,
    graceMs: 0,
    dryRun: true,
    json: true,
  })
})

test('parseGcArguments() refuses a wrong command line and says why', () => {
  const table: ReadonlyArray<readonly [line: string, message: RegExp]> = [
    ['jq', /^jq is too much: gc takes options only$/],
    ['--fast', /^there is no option --fast$/],
    ['--unused', /^--unused must have a value$/],
    ['--unused 30', /^--unused 30 must be a duration like 12h or 30d, at most 3650d$/],
    ['--unused -3d', /^--unused -3d must be a duration/],
    ['--unused --dry-run', /^--unused must have a value, not --dry-run$/],
    ['--unused 3651d', /, at most 3650d$/],
    ['--unused 0d', /^--unused 0d must be/],
    ['--older-than 3 months', /months|--older-than 3 must be/],
    ['--max-size 50', /^--max-size 50 must be a size like 500MiB or 50GiB, at most 1024TiB$/],
    ['--max-size 1025TiB', /, at most 1024TiB$/],
    ['--max-size 0GiB', /must be a size/],
    ['--nix-store 20GB', /^--nix-store 20GB must be a size/],
    ['--grace soon', /^--grace soon must be a duration/],
    ['--grace 29m', /^--grace 29m must be at least 30m, .*--offline/],
  ]
  for (const [line, message] of table) {
    const parsed = parse(line)
    assert.ok(parsed.kind === 'wrong', line)
    assert.match(parsed.message, message, line)
  }
})

test('parseGcArguments() answers a question for help, whatever else there is', () => {
  for (const line of ['--help', '-h', '--unused x --help'])
    assert.deepEqual(parse(line), { kind: 'help' })
})
