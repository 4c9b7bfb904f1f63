import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIndex, openIndex } from './section-search.ts'

const sections = [
  { address: 'storage.html', page: 'Storage', heading: 'Storage', text: 'Layers lie in a bucket.' },
  {
    address: 'storage.html#garbage',
    page: 'Storage',
    heading: 'Garbage collection',
    text: 'Nothing is removed from a bucket unless NIXERY_GC_HOURS says so.',
  },
  { address: 'naming.html', page: 'Naming', heading: 'Naming', text: 'The name of an image.' },
]
const find = openIndex(formatIndex(sections))
const addresses = (typed: string) => find(typed).map(({ address }) => address)

const cases: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['garbage', ['storage.html#garbage']],
  ['garb', ['storage.html#garbage']],
  ['garbge', ['storage.html#garbage']],
  ['NIXERY_GC_HOURS', ['storage.html#garbage']],
  ['gc hours', ['storage.html#garbage']],
  ['bucket layers', ['storage.html']],
  ['when is garbage dropped', ['storage.html#garbage']],
  ['zebra', []],
  [' ', []],
]
for (const [typed, expected] of cases) {
  test(`openIndex() finds for '${typed}' ${expected.join(', ') || 'nothing'}`, () =>
    assert.deepEqual(addresses(typed), expected))
}

test('openIndex() prefers headings, and says which words matched', () => {
  assert.equal(addresses('storage')[0], 'storage.html')
  assert.deepEqual(find('laye')[0], { ...sections[0], words: ['layers'] })
})
