import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

import type { OperatingError } from '#engine/operating-error.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'

import {
  newestDebianPackageSet,
  prepareDebianPackageSet,
  removeOutdatedDebianPackageSets,
} from './debian-package-set.ts'
import { findMachineMirror } from './index/apt.ts'
import { assembleRoot } from './testing/assemble-root.ts'
import { instantiate, isNixThere, realise, realiseFailure } from './testing/realise.ts'
import { canRunInRoot, runInRoot } from './testing/run-in-root.ts'

const mirror = await findMachineMirror()
const noMirror = mirror === undefined && 'apt names no mirror of Debian on this machine'
const noNix = noMirror || (!isNixThere() && 'Nix is not installed')
const noRoot = noNix || (!canRunInRoot() && 'needs root and unshare(1)')
const deadline = () => AbortSignal.timeout(5 * 60 * 1000)

const quiet = (): void => {}
const longAgo = new Date('2020-01-01')

suite('removeOutdatedDebianPackageSets()', () => {
  const [outdated, inUse, recent] = ['a', 'b', 'c'].map(
    (digit) => `debian-${digit.repeat(40)}`,
  ) as [string, string, string]

  /** The names that are left of the three revisions; the first two are old. */
  async function remove(findHeld: () => Promise<ReadonlySet<string>>): Promise<readonly string[]> {
    const stateDirectory = mkdtempSync(join(tmpdir(), 'debian-set-'))
    const home = join(stateDirectory, 'package-sets/debian')
    try {
      for (const revision of [outdated, inUse, recent]) {
        mkdirSync(join(home, revision), { recursive: true })
        writeFileSync(join(home, revision, 'default.nix'), '')
        if (revision !== recent) utimesSync(join(home, revision), longAgo, longAgo)
      }
      await removeOutdatedDebianPackageSets(stateDirectory, findHeld)
      return readdirSync(home).toSorted()
    } finally {
      rmSync(stateDirectory, { recursive: true })
    }
  }

  test('removes what is old and not held', async () => {
    assert.deepEqual(await remove(async () => new Set([inUse])), [inUse, recent])
    assert.deepEqual(await remove(async () => new Set()), [recent])
  })

  test('gives back what somebody begins to hold meanwhile', async () => {
    let calls = 0
    const findHeld = async () => new Set(calls++ % 2 === 0 ? [] : [inUse])
    assert.deepEqual(await remove(findHeld), [inUse, recent])
  })
})

suite('the package set of a mirror', { skip: noMirror }, () => {
  let stateDirectory: string
  let source: PackageSet
  let twin: PackageSet
  /** What the mirror had last: it may change between two tests. */
  let newest: PackageSet
  const progress: string[] = []

  before(async () => {
    stateDirectory = mkdtempSync(join(tmpdir(), 'debian-set-'))
    const prepare = () =>
      prepareDebianPackageSet({ stateDirectory }, (line) => progress.push(line), deadline())
    ;[source, twin] = await Promise.all([prepare(), prepare()])
    newest = source
  })
  after(() => rmSync(stateDirectory, { recursive: true, force: true }))

  const home = () => join(stateDirectory, 'package-sets/debian')
  const readJson = (file: string): unknown =>
    JSON.parse(readFileSync(join(source.readablePaths[0]!, file), 'utf8'))

  test('prepareDebianPackageSet() says what it does', () => {
    assert.match(progress.join('\n'), /fetching .*lists[^]*amd64: \d{5} packages[^]*arm64: \d{5}/)
  })

  test('prepareDebianPackageSet() makes the same revision of the same lists, also twice at once', () => {
    assert.deepEqual(twin, source)
    assert.deepEqual(readdirSync(home()), [source.identity])
  })

  test('prepareDebianPackageSet() removes what a process that died left', async () => {
    const abandoned = join(home(), 'new-old')
    mkdirSync(abandoned)
    utimesSync(abandoned, longAgo, longAgo)
    newest = await prepareDebianPackageSet({ stateDirectory }, quiet, deadline())
    assert.deepEqual(new Set(readdirSync(home())), new Set([source.identity, newest.identity]))
  })

  test('newestDebianPackageSet() finds it without the network, and nothing elsewhere', async () => {
    assert.deepEqual((await newestDebianPackageSet(stateDirectory))?.set, newest)
    assert.equal(await newestDebianPackageSet(home()), undefined)
  })

  test('prepareDebianPackageSet() reports an unreachable mirror in one line', async () => {
    const before = readdirSync(home())
    await withEmptyMirror(async (url) => {
      const options = { stateDirectory, mirror: { main: url, security: url } }
      await assert.rejects(
        prepareDebianPackageSet(options, quiet, deadline()),
        (error: OperatingError) => {
          assert.equal(error.code, 'SOURCE_UNAVAILABLE')
          assert.match(
            error.message,
            /^cannot fetch the package lists of Debian: .*127\.0\.0\.1.*$/,
          )
          return true
        },
      )
    })
    assert.deepEqual(readdirSync(home()), before)
  })

  test('every alias leads to a package, and hides none without a reason', () => {
    const aliases = readJson('aliases.json') as {
      packages: Record<string, { package: string; hides?: string }>
      sets: Record<string, string | { names?: Record<string, string> }>
    }
    const amd64 = readJson('index/amd64/names.json') as Record<string, string>
    const arm64 = readJson('index/arm64/names.json') as Record<string, string>
    const targets = [
      ...Object.values(aliases.packages).map((alias) => alias.package),
      ...Object.values(aliases.sets).flatMap((set) =>
        typeof set === 'string' ? [] : Object.values(set.names ?? {}),
      ),
    ]
    assert.deepEqual(
      targets.filter((name) => !Object.hasOwn(amd64, name) && !Object.hasOwn(arm64, name)),
      [],
    )
    const hiding = Object.entries(aliases.packages).filter(
      ([name, { hides }]) => Object.hasOwn(amd64, name) !== (hides !== undefined),
    )
    assert.deepEqual(hiding, [])
    for (const set of Object.values(aliases.sets)) {
      assert.ok(typeof set !== 'string' || typeof aliases.sets[set] === 'object')
    }
  })

  test('nested sets and aliases name Debian’s packages', { skip: noNix }, () => {
    const same = (a: readonly string[], b: readonly string[]): void => {
      assert.deepEqual(instantiate(source, [a]), instantiate(source, [b]))
    }
    same(['bashInteractive'], ['bash'])
    same(['python3Packages', 'numpy'], ['python3-numpy'])
    same(['python311Packages', 'pyyaml'], ['python3-yaml'])
    same(['perlPackages', 'jsonxs'], ['libjson-xs-perl'])
    same(['libgcc-s1'], ['libc6'])
  })

  test('packages of both architectures build, and programs run', { skip: noRoot }, () => {
    const names = [
      'bash',
      'dash',
      'coreutils',
      'jq',
      'git',
      'python3',
      'moreutils',
      'vim-tiny',
      'ca-certificates',
    ]
    const outputs = realise(
      instantiate(
        source,
        names.map((name) => [name]),
      ),
    )
    const root = join(stateDirectory, 'root')
    assembleRoot(root, outputs)
    const run = (script: string): string => {
      const end = runInRoot(root, ['sh', '-euc', script])
      assert.equal(end.exitCode, 0, end.output)
      return end.output.trim()
    }
    assert.equal(run(`echo '{"a": [1, 2]}' | jq -c .a`), '[1,2]')
    assert.equal(run(`python3 -c 'import ssl, sqlite3, ctypes; print(6 * 7)'`), '42')
    // A Perl script whose interpreter is in another package.
    assert.match(run('echo hello | ts %Y'), /^\d{4} hello$/)
    // A link of update-alternatives.
    assert.match(run('vi --version'), /^VIM/)
    assert.match(run('head -1 /etc/ssl/certs/ca-certificates.crt'), /BEGIN CERTIFICATE/)
    assert.equal(run('locale charmap'), 'UTF-8')
    // Shell parts of git, with an interpreter that no dependency names.
    run('cd /tmp; git init -q r; cd r; git submodule status; git request-pull -h || test $? = 129')

    const [arm64] = realise(instantiate(source, [['jq']], 'aarch64-linux'))
    const machine = readFileSync(join(arm64!, 'bin/jq')).readUInt16LE(18)
    assert.equal(machine, 183, 'e_machine is EM_AARCH64')
  })

  test(
    'a file that has left the mirror fails with the mirror’s answer',
    { skip: noNix },
    async () => {
      const file = join(source.readablePaths[0]!, 'mirror.json')
      const mirrorBefore = readFileSync(file)
      try {
        await withEmptyMirror(async (url) => {
          writeFileSync(file, JSON.stringify({ main: url, security: url }))
          const [derivation] = instantiate(source, [[seldomPackage]])
          const complaint = await realiseFailure(derivation!)
          assert.match(complaint, /unable to download 'http:.*xjump_.*HTTP error 404/)
        })
      } finally {
        writeFileSync(file, mirrorBefore)
      }
    },
  )
})

/** Never built by another test: a file that is in the store is not fetched again. */
const seldomPackage = 'xjump'

async function withEmptyMirror(use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((_, response) => response.writeHead(404).end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`)
  } finally {
    server.close()
  }
}
