import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatPlatform, platformOf } from '#core/nix/system.ts'
import {
  mostPackages,
  parseImageRequest,
  type NameGrammar,
  shellPackages,
} from './image-request.ts'

const grammar: NameGrammar = {
  platforms: [platformOf('amd64')],
  sourceNames: new Set(['ours']),
  maxPackages: mostPackages,
}

function check(name: string, expected: string): void {
  const outcome = parseImageRequest(name, grammar)
  const actual =
    outcome.kind === 'invalid'
      ? 'invalid'
      : `${outcome.request.source}${outcome.request.platforms.map(formatPlatform).join()}${outcome.request.shell ? ' shell' : ''}: ${outcome.request.packages.join(' ')}`
  assert.equal(actual, expected, name)
}

test('parseImageRequest() reads names', () => {
  const shell = shellPackages.join(' ')
  check('jq', 'linux/amd64: jq')
  check('shell', `linux/amd64 shell: ${shell}`)
  check('shell/jq', `linux/amd64 shell: bashinteractive coreutils jq moreutils nano`)
  check('arm64/jq', 'linux/arm64: jq')
  check('amd64/jq', 'linux/amd64: jq')
  check('shell/arm64/jq', `linux/arm64 shell: bashinteractive coreutils jq moreutils nano`)
  check('arm64/shell', `linux/arm64 shell: ${shell}`)
  check('python3packages.numpy/jq', 'linux/amd64: jq python3packages.numpy')
})

test('parseImageRequest() ends the meta-packages at the first package', () => {
  check('jq/shell', 'linux/amd64: jq shell')
  check('jq/arm64', 'linux/amd64: arm64 jq')
})

test('parseImageRequest() takes a configured source before everything else', () => {
  check('ours/jq', 'ourslinux/amd64: jq')
  check('ours/arm64/jq', 'ourslinux/arm64: jq')
  check('jq/ours', 'linux/amd64: jq ours')
  check('ours', 'invalid')
})

test('parseImageRequest() refuses names that make no image', () => {
  check('arm64', 'invalid')
  check('arm64/amd64/jq', 'invalid')
  check(Array.from({ length: 129 }, (_, index) => `p${index}`).join('/'), 'invalid')
})

test('parseImageRequest() does not see order and repetition of packages', () => {
  const component = fc.constantFrom('git', 'jq', 'htop', 'python3', 'curl')
  fc.assert(
    fc.property(fc.array(component, { minLength: 1 }), (packages) => {
      const shuffled = [...packages, ...packages].toReversed()
      assert.deepEqual(
        parseImageRequest(shuffled.join('/'), grammar),
        parseImageRequest(packages.join('/'), grammar),
      )
    }),
  )
})
