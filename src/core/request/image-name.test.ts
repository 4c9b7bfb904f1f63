import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { platformOf } from '#core/nix/system.ts'
import { formatImageName, formatPullName } from './image-name.ts'
import { mostPackages, parseImageRequest, type ImageRequest } from './image-request.ts'

function parse(name: string): ImageRequest {
  const outcome = parseImageRequest(name, {
    platforms: [platformOf('amd64'), platformOf('arm64')],
    sourceNames: new Set(['ours']),
    maxPackages: mostPackages,
  })
  assert.ok(outcome.kind === 'request', name)
  return outcome.request
}

test('formatImageName() gives the shortest name, whatever was typed', () => {
  const table = [
    ['jq', 'jq'],
    ['shell', 'shell'],
    ['arm64/shell/htop/git/git', 'shell/git/htop'],
    ['shell/nano/git', 'shell/git'],
    ['ours/amd64/jq/python3packages.numpy', 'ours/jq/python3packages.numpy'],
    ['jq/arm64', 'jq/arm64'],
    ['nano/bashinteractive/coreutils/moreutils', 'bashinteractive/coreutils/moreutils/nano'],
  ] as const
  for (const [typed, name] of table) assert.equal(formatImageName(parse(typed)), name, typed)
})

test('formatPullName() says the platform where it is not that of other names', () => {
  const [amd64, arm64] = [platformOf('amd64'), platformOf('arm64')]
  const table = [
    ['shell/arm64/git', [amd64], 'arm64/shell/git'],
    ['ours/arm64/git', [amd64, arm64], 'ours/arm64/git'],
    ['amd64/git', [amd64], 'git'],
    ['amd64/git', [amd64, arm64], 'amd64/git'],
    ['git', [amd64, arm64], 'git'],
  ] as const
  for (const [typed, usual, name] of table)
    assert.equal(formatPullName(parse(typed), usual), name, `${typed} beside ${usual.length}`)
  assert.equal(formatPullName({ ...parse('arm64/git'), spec: 'ci/node' }, [amd64]), 'ci/node')
})

test('formatImageName() gives stored specs their own name', () => {
  assert.equal(formatImageName({ ...parse('shell/git'), spec: 'ci/node' }), 'ci/node')
})

test('formatImageName() gives a name that asks for the same packages', () => {
  const component = fc.constantFrom('git', 'jq', 'nano', 'zlib', 'shell', 'arm64', 'amd64', 'ours')
  const components = fc.array(component, { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(components, fc.boolean(), (names, shell) => {
      const request = parse([...(shell ? ['shell'] : []), 'git', ...names].join('/'))
      const { platforms: _, ...again } = parse(formatImageName(request))
      const { platforms: __, ...first } = request
      assert.deepEqual(again, { ...first, askedPackages: again.askedPackages })
    }),
  )
})
