import assert from 'node:assert/strict'
import { test } from 'node:test'

import { findDebianMirror, parseDeb822Sources, parseOneLineSources } from './apt-sources.ts'

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

test('parseOneLineSources() reads options, comments and components', () => {
  const text = [
    '# deb http://old.example/debian bookworm main',
    `deb [arch=amd64 signed-by=${keyring}] http://mirror.example/debian bookworm main contrib # ours`,
    'deb-src http://mirror.example/debian bookworm main',
  ].join('\n')
  assert.deepEqual(parseOneLineSources(text), [
    {
      uri: 'http://mirror.example/debian',
      suite: 'bookworm',
      components: ['main', 'contrib'],
      signedBy: keyring,
    },
  ])
})

test('parseDeb822Sources() makes one source per URI and suite, and none of disabled stanzas', async () => {
  const text = `Types: deb deb-src
# a comment between fields
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Enabled: no
Types: deb
URIs: http://other.example/debian
Suites: bookworm
Components: main
`
  const sources = await parseDeb822Sources(text)
  assert.deepEqual(
    sources.map(({ uri, suite }) => `${uri} ${suite}`),
    ['http://mirror.example/debian bookworm', 'http://mirror.example/debian bookworm-updates'],
  )
})

test('findDebianMirror() takes Debian and ignores other archives', () => {
  const sources = parseOneLineSources(`
deb [signed-by=/usr/share/keyrings/nodesource.gpg] http://node.example/node_20.x nodistro main
deb [signed-by=/etc/apt/keyrings/other.gpg] http://other.example/debian bookworm main
deb http://tools.example/linux bookworm main
deb http://engine.example/linux/debian bookworm stable
deb cdrom:[Debian]/ bookworm main
deb http://mirror.example/debian/ bookworm main
deb [signed-by=${keyring}] http://snapshots.example/archive/20250520T000000Z bookworm-security main
`)
  assert.deepEqual(findDebianMirror(sources), {
    main: 'http://mirror.example/debian',
    security: 'http://snapshots.example/archive/20250520T000000Z',
  })
})

test('findDebianMirror() goes without security updates when apt names none', () => {
  const sources = parseOneLineSources('deb http://mirror.example/debian bookworm main')
  assert.deepEqual(findDebianMirror(sources), { main: 'http://mirror.example/debian' })
})

test('findDebianMirror() finds nothing on another distribution', () => {
  const sources = parseOneLineSources('deb http://archive.example/ubuntu noble main')
  assert.equal(findDebianMirror(sources), undefined)
})
