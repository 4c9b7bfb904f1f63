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
  {
    address: 'configuration.html#hours',
    page: 'Configuration',
    heading: 'Hours',
    text: 'NIXERY_GC_GRACE_HOURS and hours of nixery for GC: gc, gc, hours, nixery.',
  },
]
const find = openIndex(formatIndex(sections))
const addresses = (typed: string) => find(typed).map(({ address }) => address)

const cases: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['garbage', ['storage.html#garbage']],
  ['garb', ['storage.html#garbage']],
  ['garbge', ['storage.html#garbage']],
  ['NIXERY_GC_HOURS', ['storage.html#garbage', 'configuration.html#hours']],
  ['nixery_gc_g', ['configuration.html#hours', 'storage.html#garbage']],
  ['GC_HOURS', ['configuration.html#hours', 'storage.html#garbage']],
  ['gc hours', ['configuration.html#hours', 'storage.html#garbage']],
  ['bucket layers', ['storage.html', 'storage.html#garbage']],
  ['how do I keep layers in a bucket', ['storage.html', 'storage.html#garbage']],
  ['how do I name my own image', ['naming.html']],
  ['of', ['naming.html', 'configuration.html#hours']],
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
