import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FoundPackage, SearchOutcome } from '#engine/ports/package-search.ts'
import { runSearch, type SearchTools } from './run-search.ts'

const { signal } = new AbortController()
const [amd64, arm64] = ['linux/amd64', 'linux/arm64']
const platforms = [amd64, arm64]

const git: FoundPackage = {
  name: 'git',
  attributePath: 'git',
  version: '2.39',
  description: 'revision control',
  platforms,
}
const box: FoundPackage = { name: 'box64', attributePath: 'box64', platforms: [arm64] }

function found(packages: readonly FoundPackage[], near: readonly FoundPackage[] = []) {
  return { kind: 'found', packages, near, platforms, revision: 'one' } as const
}

async function run(
  args: readonly string[],
  { outcome = found([]), columns }: { outcome?: SearchOutcome; columns?: number } = {},
) {
  let [stdout, stderr] = ['', '']
  const asked: unknown[] = []
  const tools: SearchTools = {
    sourceNames: () => ['ours', 'theirs'],
    namesBeginning: async (source, prefix) => [`${prefix}-of-${source}`],
    search: async ({ words, source, limit, refresh }, { onListing }) => {
      asked.push([words, source, limit, refresh])
      if (refresh) onListing()
      return outcome
    },
  }
  const terminal = {
    stdout: {
      ...(columns && { isTTY: true, columns }),
      write: (text: string) => (stdout += text),
    },
    stderr: { write: (text: string) => (stderr += text) },
  }
  const exitCode = await runSearch(args, tools, terminal, signal)
  return { exitCode, stdout, stderr, asked }
}

test('runSearch() prints what it finds, and what platform has it where not all do', async () => {
  const { exitCode, stdout, stderr, asked } = await run(['revision', 'control', '-n', '3'], {
    outcome: found([git, box]),
  })
  assert.deepEqual([exitCode, stderr], [0, ''])
  assert.equal(stdout, 'git    2.39  revision control\nbox64        (linux/arm64 only)\n')
  assert.deepEqual(asked, [['revision control', '', 3, false]])
  const narrow = await run(['git'], { outcome: found([git]), columns: 14 })
  assert.equal(narrow.stdout, 'git  2.39  re…\n')
  const hostile = await run(['git'], {
    outcome: found([{ ...git, description: 'a\u001b[31mb\u202ec' }]),
  })
  assert.equal(hostile.stdout, 'git  2.39  ab c\n')
})

test('runSearch() asks what was meant', async () => {
  const none = await run(['gti'], { outcome: found([], [git, box]) })
  assert.deepEqual([none.exitCode, none.stdout], [3, ''])
  assert.equal(none.stderr, 'nixery: no package matches gti; did you mean git or box64?\n')
  const few = await run(['gti'], { outcome: found([box], [git]) })
  assert.deepEqual([few.exitCode, few.stderr], [0, 'nixery: did you mean git?\n'])
  const nothing = await run(['zzz'])
  assert.deepEqual([nothing.exitCode, nothing.stderr], [3, 'nixery: no package matches zzz\n'])
})

test('runSearch() prints what the API gives', async () => {
  const { kind: status, ...rest } = found([git], [box])
  const { stdout, stderr } = await run(['git', '--json', '--source', 'ours', '--refresh'], {
    outcome: found([git], [box]),
  })
  assert.deepEqual(JSON.parse(stdout), { status, ...rest })
  assert.match(stderr, /^nixery: listing the packages/)
})

test('runSearch() says what keeps it from searching', async () => {
  const outcome = { kind: 'unsearchable', message: 'no package set' } as const
  await assert.rejects(run(['git'], { outcome }), /^Error: no package set$/)
  await assert.rejects(run(['git'], { outcome: { kind: 'listing' } }), /not listed/)
  for (const [line, message] of [
    ['', 'search must be told what to look for'],
    ['git -n 0', '--limit 0 must be a number from 1 to 200'],
    ['git -n 201', '--limit 201 must be a number from 1 to 200'],
    ['git -n many', '--limit many must be a number from 1 to 200'],
    ['git -s nobody', 'no package source is called nobody: there are ours, theirs'],
  ] as const) {
    const { exitCode, stdout, stderr } = await run(line.split(' ').filter(Boolean))
    assert.deepEqual([exitCode, stdout, stderr.split('\n')[0]], [2, '', `nixery: ${message}`])
  }
})

test('runSearch() completes names of images', async () => {
  const check = async (typed: string, ...expected: readonly string[]) => {
    const { exitCode, stdout } = await run(['--complete', '--', typed])
    assert.deepEqual([exitCode, stdout.split('\n').slice(0, -1)], [0, expected], typed)
  }
  await check('', 'ours/', 'theirs/', 'shell/', 'amd64/', 'arm64/')
  await check('ou', 'ours/', 'ou-of-')
  await check('sh', 'shell/', 'sh-of-')
  await check('ours/', 'ours/shell/', 'ours/amd64/', 'ours/arm64/')
  await check('ours/gi', 'ours/gi-of-ours')
  await check('ours/shell/gi', 'ours/shell/gi-of-ours')
  await check('shell/a', 'shell/amd64/', 'shell/arm64/', 'shell/a-of-')
  await check('shell/shell', 'shell/shell-of-')
  await check('amd64/a', 'amd64/a-of-')
  await check('git/sh', 'git/sh-of-')
  await check('git/')
  await check('gi-of-/gi')
})
