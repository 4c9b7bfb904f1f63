import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePopularityArguments } from './popularity-arguments.ts'

function parse(line: string) {
  return parsePopularityArguments(line.split(' ').filter(Boolean))
}

test('parsePopularityArguments() fills in what is left out', () => {
  assert.deepEqual(parse('--channel nixos-unstable --out files/p.json'), {
    kind: 'channel',
    channel: 'nixos-unstable',
    cache: 'https://cache.nixos.org',
    outPath: 'files/p.json',
    workDirectory: 'files',
    concurrency: 32,
  })
  const all = '--channel file:///c --out p.json --cache http://c/x --work /w --concurrency 256'
  assert.deepEqual(parse(all), {
    kind: 'channel',
    channel: 'file:///c',
    cache: 'http://c/x',
    outPath: 'p.json',
    workDirectory: '/w',
    concurrency: 256,
  })
  assert.deepEqual(parse('--packages ./set jq git --out p.json'), {
    kind: 'packages',
    setPath: './set',
    names: ['jq', 'git'],
    outPath: 'p.json',
  })
})

test('parsePopularityArguments() refuses a wrong command line and says why', () => {
  const table: ReadonlyArray<readonly [line: string, message: RegExp]> = [
    ['', /either --channel or --packages/],
    ['--channel a --packages b --out p', /either --channel or --packages/],
    ['--channel a', /--out must say/],
    ['--channel a --out', /--out/],
    ['--channel a --out=', /--out must say/],
    ['--channel a --out p --fast', /--fast/],
    ['--channel ../a --out p', /--channel \.\.\/a must be a name or/],
    ['--channel ftp://a/ --out p', /must be a name or an http, https or file address/],
    ['--channel a --out p jq', /jq is too much/],
    ['--channel a --out p --cache cache.nixos.org', /--cache cache\.nixos\.org must be/],
    ['--channel a --out p --concurrency 0', /--concurrency 0 must be a number from 1 to 256/],
    ['--channel a --out p --concurrency 257', /must be a number from 1 to 256/],
    ['--channel a --out p --concurrency many', /must be a number from 1 to 256/],
    ['--packages a --out p --cache http://c/', /--cache belongs to --channel/],
    ['--packages= --out p', /--packages must be the path/],
  ]
  for (const [line, message] of table) {
    const parsed = parse(line)
    assert.ok(parsed.kind === 'wrong', line)
    assert.match(parsed.message, message, line)
  }
})

test('parsePopularityArguments() answers a question for help, whatever else there is', () => {
  for (const line of ['--help', '-h', '--channel a --help'])
    assert.deepEqual(parse(line), { kind: 'help' })
})
