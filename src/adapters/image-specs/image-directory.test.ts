import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openImageDirectory } from './image-directory.ts'

async function withFiles(context: TestContext, files: Readonly<Record<string, string>>) {
  const directory = await mkdtemp(join(tmpdir(), 'nixery-specs-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  return { directory, specs: openImageDirectory(directory) }
}

const whole = `
packages: [shell, git]
source: ours
tag: v1
entrypoint: [git]
cmd: [--version]
env: { LANG: C.UTF-8, EMPTY: "" }
user: 1000
workingDir: /work
labels: { org.example.team: tools }
exposedPorts: [8080, 53/udp, 8080/tcp]
`

test('openImageDirectory() reads YAML and JSON under the names of the files', async (context) => {
  const { specs } = await withFiles(context, {
    'ci/node.yaml': whole,
    'plain.json': '{"packages": ["jq"]}',
    'ci/notes.txt': 'none',
    '..data/hidden.yaml': 'nonsense',
  })
  assert.deepEqual([...(await specs.list()).keys()], ['ci/node', 'plain'])
  assert.deepEqual(await specs.names(), ['ci/node', 'plain'])
  assert.deepEqual(await specs.find('plain'), { packages: ['jq'], source: '', options: {} })
  assert.deepEqual(await specs.find('ci/node'), {
    packages: ['shell', 'git'],
    source: 'ours',
    tag: 'v1',
    options: {
      entrypoint: ['git'],
      cmd: ['--version'],
      env: { LANG: 'C.UTF-8', EMPTY: '' },
      user: '1000',
      workingDir: '/work',
      labels: { 'org.example.team': 'tools' },
      exposedPorts: ['53/udp', '8080/tcp'],
    },
  })
})

test('openImageDirectory() finds no spec where there is none, whatever the name', async (context) => {
  const { specs } = await withFiles(context, { plain: 'a file without an extension' })
  for (const name of ['git', 'ci/node', 'plain/x', 'x'.repeat(255)])
    assert.equal(await specs.find(name), undefined, name)
})

test('openImageDirectory() sees changes, and follows the links of a ConfigMap', async (context) => {
  const { directory, specs } = await withFiles(context, { '..data/a.yaml': 'packages: [jq]' })
  await symlink('..data/a.yaml', join(directory, 'a.yaml'))
  assert.deepEqual((await specs.find('a'))?.packages, ['jq'])
  await writeFile(join(directory, '..data/a.yaml'), 'packages: [git]')
  assert.deepEqual((await specs.find('a'))?.packages, ['git'])
  assert.deepEqual([...(await specs.list()).keys()], ['a'])
})

test('openImageDirectory() says what is wrong with a spec, and where', async (context) => {
  const wrong: ReadonlyArray<readonly [text: string, message: RegExp]> = [
    ['', /a\.yaml: is empty$/],
    ['packages: [', /a\.yaml: is no YAML at line 1, column \d+: .*[^:]$/],
    ['packages: []', /packages: must be at least 1 entry long$/],
    ['source: ours', /packages: is missing$/],
    ['packages: jq', /packages: must be a list$/],
    ['packages: [1]', /packages\.0: must be text/],
    ['packages: [jq]\npackage: [git]', /: package is not known here$/],
    ['packages: ["../x"]', /packages\.0: must be a package name/],
    ['packages: [jq]\nuser: "a b"', /user: must be a user such as/],
    [
      'packages: [jq]\nexposedPorts: [true]',
      /exposedPorts\.0: must be a number or text in quotes$/,
    ],
    ['packages: [jq]\nworkingDir: work', /workingDir: must begin with \/$/],
    ['packages: [jq]\nexposedPorts: [70000]', /exposedPorts\.0: must be a port such as/],
    ['packages: [jq]\nenv: { "A=B": c }', /env\.A=B: its name must be a name without =$/],
    ['packages: &a [jq]\nlabels: { x: *a }', /alias/i],
  ]
  for (const [text, message] of wrong) {
    const { specs } = await withFiles(context, { 'a.yaml': text })
    await assert.rejects(specs.find('a'), { code: 'SPEC_INVALID', message }, text)
    await assert.rejects(specs.list(), { code: 'SPEC_INVALID' }, text)
  }
  const { specs } = await withFiles(context, { 'a.yaml': whole, 'a.json': '{}' })
  await assert.rejects(specs.find('a'), { code: 'SPEC_INVALID', message: /describe one image/ })
})
