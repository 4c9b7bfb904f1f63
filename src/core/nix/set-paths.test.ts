import assert from 'node:assert/strict'
import { test } from 'node:test'

import { SetPaths } from './set-paths.ts'

const store = `/nix/store/${'a'.repeat(32)}-source`
const texts: readonly (readonly [roots: readonly string[], text: string, shorter: string])[] = [
  [
    ['/srv/set'],
    "getting status of '/srv/set/bin': No such file",
    "getting status of 'bin': No such file",
  ],
  [['/srv/set'], "file '/srv/set/default.nix'", "file 'default.nix'"],
  [['/srv/set'], "no '/srv/set'", "no '.'"],
  [
    ['/srv/set'],
    '/srv/set2/x /srv/set-x /other/srv/set/x',
    '/srv/set2/x /srv/set-x /other/srv/set/x',
  ],
  [['/srv/set.nix'], '/srv/set.nix and /srv/other.nix', 'set.nix and other.nix'],
  [['/t/source/nix', '/t/source'], '/t/source/nix/a.nix', 'nix/a.nix'],
  [['/a+b(c)'], '/a+b(c)/x', 'x'],
  [['/'], '/etc/passwd', '/etc/passwd'],
  [[], `${store}/flake.nix`, 'flake.nix'],
]

for (const [roots, text, shorter] of texts) {
  test(`SetPaths of ${roots.join(' and ')} makes "${shorter}" of "${text}"`, () => {
    assert.equal(new SetPaths(roots).shorten(text), shorter)
  })
}

test('SetPaths.format() gives places in the set, and no others', () => {
  const paths = new SetPaths(['/srv/set'])
  const at = { line: 14, column: 3 }
  assert.equal(paths.format({ file: '/srv/set/default.nix', ...at }), 'default.nix:14:3')
  assert.equal(paths.format({ file: '/opt/nixery/nix/evaluate.nix', ...at }), undefined)
  assert.equal(paths.format({ file: '//builtin/derivation.nix', ...at }), undefined)
})
