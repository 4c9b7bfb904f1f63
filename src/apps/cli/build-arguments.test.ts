import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBuildArguments } from './build-arguments.ts'

const parse = (line: string) => parseBuildArguments(line.split(' ').filter(Boolean))

test('parseBuildArguments() reads name, tag, platforms and output', () => {
  const plain = { kind: 'build', tag: 'latest', insecure: false, quiet: false, json: false }
  const amd64 = { os: 'linux', architecture: 'amd64' }
  const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' }
  const table = [
    ['shell/git', { name: 'shell/git' }],
    ['git:v1', { name: 'git', tag: 'v1' }],
    ['git --tag v1 -q', { name: 'git', tag: 'v1', quiet: true }],
    ['-p linux/arm64 git --json', { name: 'git', platforms: [arm64], json: true }],
    ['git --platform linux/arm64,linux/amd64', { name: 'git', platforms: [arm64, amd64] }],
    ['git -o oci:x', { name: 'git', output: { kind: 'oci', directory: 'x', tag: 'latest' } }],
    [
      'git:v1 -o oci:/a:b/x',
      { name: 'git', tag: 'v1', output: { kind: 'oci', directory: '/a:b/x', tag: 'v1' } },
    ],
    ['git -o oci:x:y', { name: 'git', output: { kind: 'oci', directory: 'x', tag: 'y' } }],
    [
      'a/b -o docker-archive:f.tar',
      {
        name: 'a/b',
        output: { kind: 'docker-archive', path: 'f.tar', name: 'a/b', tag: 'latest' },
      },
    ],
    [
      'a -o docker-archive:-:me/x:y',
      { name: 'a', output: { kind: 'docker-archive', path: '-', name: 'me/x', tag: 'y' } },
    ],
    [
      'a -o docker://h:5000/me/x --insecure',
      {
        name: 'a',
        insecure: true,
        output: { kind: 'registry', host: 'h:5000', name: 'me/x', tag: 'latest' },
      },
    ],
    [
      'a -o docker://[::1]:5000/x:y',
      { name: 'a', output: { kind: 'registry', host: '[::1]:5000', name: 'x', tag: 'y' } },
    ],
  ] as const
  for (const [line, expected] of table)
    assert.deepEqual(parse(line), { ...plain, ...expected }, line)
})

test('parseBuildArguments() says in one line what is wrong', () => {
  const table: ReadonlyArray<readonly [line: string, message: RegExp]> = [
    ['', /^build must be told which image/],
    ['a b', /^b is too much/],
    ['Shell', /^Shell is no name of an image/],
    ['a//b', /is no name of an image/],
    ['../etc', /is no name of an image/],
    ['git:', / is no tag: /],
    ['localhost:8080/a/b:c', /^localhost:8080 is a server, .*: nixery build a\/b:c$/],
    ['docker://h:5000/a', /^h:5000 is a server, .*: nixery build a$/],
    ['http://localhost/a/b', /^localhost is a server, .*: nixery build a\/b$/],
    ['https://localhost', /^localhost is a server, .*: nixery build NAME$/],
    ['git:a:b', /^a:b is no tag/],
    ['git:v1 --tag v2', /^git:v1 has a tag already/],
    ['git --platform windows/amd64', /^--platform windows\/amd64 must be linux\/amd64/],
    ['git --platform linux/amd64,linux/amd64', /^--platform .* must be/],
    ['git --platform linux/amd64,linux/s390x', /^--platform .* must be/],
    ['git --output x', /^--output x must be oci:DIRECTORY/],
    ['git --output oci:', /^--output oci: must name a directory/],
    ['git --output docker-archive:', /must name a file/],
    ['git --output docker-archive:f:UPPER', /must name a file/],
    ['git --output docker://host', /must name a registry and a repository/],
    ['git --output docker://user@host/x', /must name a registry and a repository/],
    ['git --json --output docker-archive:-', /^--json and the archive both take standard output/],
    ['git --insecure', /^--insecure is for a registry/],
    ['git --output', /^--output must have a value$/],
  ]
  for (const [line, message] of table) {
    const outcome = parse(line)
    assert.ok(outcome.kind === 'wrong', line)
    assert.match(outcome.message, message, line)
    assert.doesNotMatch(outcome.message, /\n/)
  }
})
