import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'

import {
  createNixPackageBuilder,
  type NixPackageBuilder,
} from '#adapters/nix/nix-package-builder.ts'
import { openSourceStore } from '#adapters/nix/source-store.ts'
import { createPrepareFlake } from '#adapters/package-source/flake-inputs.ts'
import type { PrepareFlake } from '#adapters/package-source/locate-package-set.ts'
import { createGitSource } from '#adapters/package-source/git-source.ts'
import { createInputFetchers } from '#adapters/package-source/input-fetchers.ts'
import { SourceTrees } from '#adapters/package-source/source-trees.ts'
import { findProgram } from '#adapters/process/find-program.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { PackageOutcome } from '#core/nix/package-outcome.ts'
import type { System } from '#core/nix/system.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import type { FlakeInputs, SourceFailure } from '#engine/ports/package-source.ts'
import { makeGitRepository } from '#test/sources/git-repository.ts'
import { startGitDaemon } from '#test/sources/git-servers.ts'

const run = promisify(execFile)
const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const otherSystem: System = process.arch === 'arm64' ? 'x86_64-linux' : 'aarch64-linux'
const needed = ['nix', 'nix-store', 'tar', 'git']
const searchPath = process.env['PATH'] ?? ''
const found = await Promise.all(needed.map((name) => findProgram(name, searchPath)))
const lacking = needed.filter((_name, index) => found[index] === undefined)
const skip = lacking.length > 0 && `${lacking.join(', ')} not installed`
const patience = () => AbortSignal.timeout(120_000)
const pinned = { source: '', revision: 'a'.repeat(40), identity: 'flake', fixed: true }

/** What is served as archives; the texts of files by path. */
const archives: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  shared: { 'flake.nix': '{ outputs = { self }: { word = "shared"; }; }' },
  unused: { 'flake.nix': '{ outputs = { self }: { word = "unused"; }; }' },
  files: { 'data/word': 'filed' },
  dep: {
    'flake.nix': `{
      inputs.shared.url = "ADDRESS/unused.tar.gz";
      outputs = { self, shared }: {
        lib.make = name: extra: derivation ({
          inherit name;
          system = "${system}";
          builder = "\${self}/builder";
          word = shared.word;
          code = ./code;
        } // extra);
      };
    }`,
    builder: '#! no shell here',
    code: 'code',
  },
}

const flake: Readonly<Record<string, string>> = {
  'flake.nix': `{
    inputs = {
      dep = { url = "ADDRESS/dep.tar.gz"; inputs.shared.follows = "shared"; };
      shared.url = "ADDRESS/shared.tar.gz";
      files = { url = "ADDRESS/files.tar.gz"; flake = false; };
    };
    outputs = { self, dep, shared, files }: {
      packages.${system} = {
        default = dep.lib.make "default" { };
        tool = dep.lib.make "tool" {
          src = self;
          own = ./own;
          inherit (files) outPath;
          filed = builtins.readFile (files + "/data/word");
        };
        both = dep.lib.make "from-packages" { };
        unfree = dep.lib.make "unfree" { } // { meta.license.free = false; };
      };
      legacyPackages.${system} = {
        both = throw "packages come first";
        nestedSet.Inner = dep.lib.make "inner" { when = self.lastModifiedDate; rev = self.shortRev or "none"; };
      };
    };
  }`,
  own: 'own',
}

describe('flakes', { skip }, () => {
  let directory: string
  let server: Server
  let address: string
  let requests: string[]
  let nix: NixPackageBuilder
  let trees: SourceTrees
  let prepareFlake: PrepareFlake

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nixery-flakes-'))
    requests = []
    server = createServer((request, response) => {
      requests.push(request.url ?? '')
      const file = createReadStream(join(directory, 'site', request.url ?? ''))
      file.on('error', () => response.writeHead(404).end())
      file.pipe(response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const bound = server.address()
    assert.ok(typeof bound === 'object' && bound)
    address = `http://127.0.0.1:${bound.port}`
    await mkdir(join(directory, 'site'))
    for (const [name, files] of Object.entries(archives)) await serve(name, files)
    await writeFile(join(directory, 'site/list.json'), '"listed"')
    nix = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      settings: new Map([['substituters', '']]),
      inheritedEnvironment: process.env,
    })
    trees = await SourceTrees.open({
      directory: join(directory, 'trees'),
      environment: process.env,
    })
    prepareFlake = createPrepareFlake({
      trees,
      addSource: await openSourceStore({ inheritedEnvironment: process.env }),
      fetchers: createInputFetchers({
        gitDirectory: join(directory, 'git'),
        environment: process.env,
      }),
    })
  })

  after(async () => {
    server.closeAllConnections()
    server.close()
    await nix.close()
    await trees.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function write(path: string, files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(path, name, '..'), { recursive: true })
      await writeFile(join(path, name), text.replaceAll('ADDRESS', address))
    }
  }

  async function serve(name: string, files: Readonly<Record<string, string>>): Promise<void> {
    const path = join(directory, 'archives', name)
    await write(path, files)
    const archive = join(directory, 'site', `${name}.tar.gz`)
    await run('tar', ['-czf', archive, '-C', join(directory, 'archives'), name])
  }

  /** The program that has flakes, as people use it who make lock files. */
  async function nixCommand(...args: readonly string[]): Promise<string> {
    const env = {
      PATH: searchPath,
      HOME: directory,
      NIX_CONFIG:
        'experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nflake-registry =',
    }
    return (await run('nix', [...args], { env })).stdout.trim()
  }

  let flakes = 0
  /** A flake in a directory called as the service calls it. */
  async function makeFlake(files: Readonly<Record<string, string>>): Promise<string> {
    flakes += 1
    const tree = join(directory, `flake-${flakes}`, 'source')
    await write(tree, files)
    return tree
  }

  async function lockedFlake(): Promise<string> {
    const tree = await makeFlake(flake)
    await nixCommand('flake', 'lock', `path:${tree}`)
    return tree
  }

  async function prepare(tree: string): Promise<FlakeInputs | SourceFailure> {
    return prepareFlake(tree, pinned, patience())
  }

  async function evaluate(
    tree: string,
    packages: readonly string[],
    on = system,
  ): Promise<readonly PackageOutcome[]> {
    const inputs = await prepare(tree)
    assert.ok('nodes' in inputs, JSON.stringify(inputs))
    const set = {
      identity: tree,
      fixed: true,
      entry: tree,
      readablePaths: [tree],
      flake: inputs,
    }
    const request = { set, policy: strictPolicy, system: on, packages, optionalPackages: [] }
    return nix.evaluate(request, patience())
  }

  async function failureOf(tree: string): Promise<string> {
    const outcome = await prepare(tree)
    assert.ok('kind' in outcome, 'it can be used')
    return outcome.message
  }

  /** A lock file that says something else. */
  async function editLock(
    tree: string,
    edit: (nodes: Record<string, { locked: Record<string, unknown> }>) => void,
  ): Promise<void> {
    const path = join(tree, 'flake.lock')
    const lock = JSON.parse(await readFile(path, 'utf8')) as {
      nodes: Record<string, { locked: Record<string, unknown> }>
    }
    edit(lock.nodes)
    await writeFile(path, JSON.stringify(lock))
  }

  test('give the derivations that Nix itself makes of them', async () => {
    const tree = await lockedFlake()
    const outcomes = await evaluate(tree, ['default', 'tool', 'both'])
    for (const outcome of outcomes) {
      assert.ok(outcome.kind === 'found', JSON.stringify(outcome))
      const installable = `path:${tree}#packages.${system}.${outcome.package}.drvPath`
      assert.equal(outcome.derivation, await nixCommand('eval', '--raw', installable))
    }
  })

  test('are looked up in packages first, then in legacyPackages', async () => {
    const tree = await lockedFlake()
    const outcomes = await evaluate(tree, ['both', 'nestedset.inner', 'unfree', 'tol'])
    assert.deepEqual(
      outcomes.map((it) => it.kind),
      ['found', 'found', 'unfree', 'not-found'],
    )
    const [, inner, , missing] = outcomes
    assert.deepEqual(inner?.kind === 'found' && inner.attributePath, ['nestedSet', 'Inner'])
    assert.deepEqual(missing?.kind === 'not-found' && missing.nearNames, ['tool'])
  })

  test('need their origin once', async () => {
    const tree = await lockedFlake()
    await evaluate(tree, ['default'])
    const before = requests.length
    await evaluate(tree, ['tool'])
    assert.equal(requests.length, before)
    const copy = await makeFlake({})
    await cp(tree, copy, { recursive: true })
    assert.ok('nodes' in (await prepare(copy)))
    assert.equal(requests.length, before)
  })

  test('that follow another input do not fetch the one that nobody uses', async () => {
    const tree = await lockedFlake()
    requests = []
    const inputs = await prepare(tree)
    assert.ok('nodes' in inputs)
    assert.deepEqual(Object.keys(inputs.nodes).sort(), ['dep', 'files', 'root', 'shared'])
    assert.ok(!requests.includes('/unused.tar.gz'))
  })

  test('work on when Nix has collected their inputs as garbage', async () => {
    await serve('fresh', { word: directory })
    const tree = await makeFlake({
      'flake.nix': `{
        inputs.fresh = { url = "ADDRESS/fresh.tar.gz"; flake = false; };
        outputs = { self, fresh }: { packages.${system}.default = derivation {
          name = "fresh"; system = "${system}"; builder = fresh + "/word"; }; };
      }`,
    })
    await nixCommand('flake', 'lock', `path:${tree}`)
    const inputs = await prepare(tree)
    assert.ok('nodes' in inputs)
    const fetched = inputs.nodes['fresh']!.path
    const { stdout } = await run('nix-store', ['--add-fixed', '--recursive', 'sha256', fetched])
    await run('nix-store', ['--delete', stdout.trim()])
    assert.deepEqual(await kindsOf(evaluate(tree, ['default'])), ['found'])
  })

  test('learn their commit only where images are cached by commit', async () => {
    const tree = await lockedFlake()
    const infoOf = async (identity: string) => {
      const outcome = await prepareFlake(tree, { ...pinned, identity }, patience())
      assert.ok('nodes' in outcome)
      return outcome.nodes['root']?.info
    }
    const date = { lastModified: 1, lastModifiedDate: '19700101000001' }
    assert.deepEqual(await infoOf('tree:0'), date)
    assert.deepEqual(await infoOf(`git:${pinned.revision}`), {
      rev: pinned.revision,
      shortRev: 'aaaaaaa',
      ...date,
    })
  })

  test('are not supported on systems that they have no packages for', async () => {
    const outcomes = await evaluate(await lockedFlake(), ['default', 'tool'], otherSystem)
    assert.deepEqual(
      outcomes.map((it) => it.kind),
      ['unsupported-system', 'unsupported-system'],
    )
  })

  test('may have inputs inside themselves, as old and new lock files write them', async () => {
    const files = {
      'flake.nix': `{
        inputs.sub.url = "path:./parts/sub";
        outputs = { self, sub }: { packages.${system}.default = sub.make "inside"; };
      }`,
      'parts/sub/flake.nix': `{
        inputs.deeper.url = "path:../deeper";
        outputs = { self, deeper }: { make = deeper.make; };
      }`,
      'parts/deeper/flake.nix': `{
        outputs = { self }: {
          make = name: derivation { inherit name; system = "${system}"; builder = "\${self}/b"; };
        };
      }`,
    }
    const lock = (sub: object, deeper: object) =>
      JSON.stringify({
        version: 7,
        root: 'root',
        nodes: {
          root: { inputs: { sub: 'sub' } },
          sub: { inputs: { deeper: 'deeper' }, ...sub },
          deeper,
        },
      })
    const path = (of: string) => ({ type: 'path', path: of })
    const now = lock(
      { locked: path('./parts/sub'), parent: [] },
      { locked: path('../deeper'), parent: ['sub'] },
    )
    const tree = await makeFlake({ ...files, 'flake.lock': now })
    assert.deepEqual(await kindsOf(evaluate(tree, ['default'])), ['found'])

    const hashOf = async (part: string) => {
      const { stdout } = await run('nix-hash', ['--type', 'sha256', '--base32', join(tree, part)])
      return `sha256:${stdout.trim()}`
    }
    const before = lock(
      { locked: { ...path('./parts/sub'), narHash: await hashOf('parts/sub') } },
      { locked: { ...path('./parts/deeper'), narHash: await hashOf('parts/deeper') } },
    )
    const old = await makeFlake({ ...files, 'flake.lock': before })
    assert.deepEqual(await kindsOf(evaluate(old, ['default'])), ['found'])

    const circle = lock(
      { locked: path('x'), parent: ['sub', 'deeper'] },
      { locked: path('y'), parent: ['sub'] },
    )
    assert.match(
      await failureOf(await makeFlake({ ...files, 'flake.lock': circle })),
      /^the flake input (?:sub|deeper) is a path inside itself$/,
    )
  })

  test('may have single files as inputs, which Nix 2.8 cannot lock', async () => {
    const { stdout } = await run('nix-hash', [
      '--type',
      'sha256',
      '--base32',
      join(directory, 'site/list.json'),
    ])
    const locked = { type: 'file', url: `${address}/list.json`, narHash: `sha256:${stdout.trim()}` }
    const tree = await makeFlake({
      'flake.nix': `{
        inputs.list = { url = "file+ADDRESS/list.json"; flake = false; };
        outputs = { self, list }: { packages.${system}.default = derivation {
          name = builtins.fromJSON (builtins.readFile list); system = "${system}"; builder = list;
        }; };
      }`,
      'flake.lock': JSON.stringify({
        version: 7,
        root: 'root',
        nodes: { root: { inputs: { list: 'list' } }, list: { flake: false, locked } },
      }),
    })
    const [outcome] = await evaluate(tree, ['default'])
    assert.ok(outcome?.kind === 'found', JSON.stringify(outcome))
    assert.match(outcome.derivation, /-listed\.drv$/)
  })

  async function kindsOf(outcomes: Promise<readonly PackageOutcome[]>): Promise<string[]> {
    return (await outcomes).map((it) => it.kind)
  }

  test('may be in a git repository, as their inputs may', async () => {
    const root = join(directory, 'repositories')
    await mkdir(root)
    await using daemon = await startGitDaemon(root)
    const dep = await makeGitRepository(join(root, 'dep'))
    await dep.commit('main', { 'flake.nix': '{ outputs = { self }: { word = "from-git"; }; }' })
    const url = `${daemon.url}/dep?ref=main`
    const files = {
      'flake.nix': `{
        inputs.dep.url = "${url}";
        outputs = { self, dep }: { packages.${system}.default = derivation {
          name = "\${dep.word}-at-\${self.shortRev}"; system = "${system}"; builder = "\${dep}/b"; }; };
      }`,
    }
    const tree = await makeFlake(files)
    await nixCommand('flake', 'lock', `path:${tree}`)
    const lock = await readFile(join(tree, 'flake.lock'), 'utf8')
    const repository = await makeGitRepository(join(root, 'flake'))
    const commit = await repository.commit('main', { ...files, 'flake.lock': lock })
    const source = createGitSource({
      name: '',
      url: `${daemon.url}/flake`,
      stateDirectory: join(directory, 'state'),
      trees,
      anyCommit: false,
      pinTtlMs: 60_000,
      clock: systemClock,
      environment: process.env,
      onOutage: () => {},
      onRecovery: () => {},
      prepareFlake,
    })
    const pin = await source.pin('latest', patience())
    assert.ok(pin.kind === 'pinned', JSON.stringify(pin))
    const fetched = await source.fetch(pin.pinned, patience())
    await source.close()
    assert.ok(fetched.kind === 'fetched', JSON.stringify(fetched))
    const request = { policy: strictPolicy, system, packages: ['default'], optionalPackages: [] }
    const [outcome] = await nix.evaluate({ ...request, set: fetched.set }, patience())
    assert.ok(outcome?.kind === 'found', JSON.stringify(outcome))
    const installable = `${daemon.url}/flake?ref=main#packages.${system}.default`
    assert.equal(outcome.derivation, await nixCommand('eval', '--raw', `${installable}.drvPath`))
    assert.match(outcome.derivation, new RegExp(`from-git-at-${commit.slice(0, 7)}`))
  })

  test('without inputs need no lock file', async () => {
    const tree = await makeFlake({
      'flake.nix': `{ outputs = { self }: { packages.${system}.default = derivation {
        name = "alone"; system = "${system}"; builder = "/b"; }; }; }`,
    })
    assert.deepEqual(await kindsOf(evaluate(tree, ['default'])), ['found'])
  })

  test('say which inputs their lock file lacks', async () => {
    const tree = await makeFlake({ 'flake.nix': flake['flake.nix']! })
    const [outcome] = await evaluate(tree, ['default'])
    assert.ok(outcome?.kind === 'evaluation-error')
    assert.equal(
      outcome.message,
      'the flake declares what its flake.lock does not lock: dep, files, shared (nix flake lock locks it)',
    )
  })

  test('are refused with a line that names the input', async () => {
    const cases: ReadonlyArray<
      readonly [edit: (locked: Record<string, unknown>) => object, message: RegExp]
    > = [
      [
        (it) => ({ ...it, narHash: `sha256-${'A'.repeat(43)}=` }),
        /^the flake input files has the content sha256-.{44}, but flake\.lock says sha256-A{43}=$/,
      ],
      [
        (it) => ({ ...it, url: `${address}/gone.tar.gz`, narHash: `sha256-${'B'.repeat(43)}=` }),
        /^the flake input files is not there any more where flake\.lock says$/,
      ],
      [
        (it) => ({ ...it, url: `${address}/list.json`, narHash: `sha256-${'C'.repeat(43)}=` }),
        /^the flake input files cannot be unpacked: it is not compressed by/,
      ],
      [
        () => ({ type: 'indirect', id: 'nixpkgs' }),
        /^the flake input files has the type "indirect", which this registry does not fetch$/,
      ],
      [({ narHash: _narHash, ...it }) => it, /^the flake input files .* without a SHA-256 narHash/],
      [
        () => ({ type: 'path', path: '../../outside' }),
        /^the flake input files is a path that does not lie in the flake$/,
      ],
    ]
    for (const [edit, message] of cases) {
      const tree = await lockedFlake()
      await editLock(tree, (nodes) => {
        nodes['files']!.locked = { ...edit(nodes['files']!.locked) }
      })
      assert.match(await failureOf(tree), message)
    }
  })

  test('are refused when their lock file is none', async () => {
    const cases: ReadonlyMap<string, RegExp> = new Map([
      ['{', /not JSON/],
      ['{"version":4}', /version is 4/],
    ])
    for (const [text, message] of cases) {
      assert.match(await failureOf(await makeFlake({ 'flake.lock': text })), message)
    }
    const long = 'long'.repeat(25_000)
    const nodes = { root: { inputs: { x: long } }, [long]: { locked: { type: 'path', path: '.' } } }
    const text = JSON.stringify({ version: 7, root: 'root', nodes })
    const wordy = await makeFlake({ 'flake.nix': '{ }', 'flake.lock': text })
    assert.match(await failureOf(wordy), /are too long/)
    const linked = await makeFlake({ 'flake.nix': '{ }' })
    await symlink('/etc/passwd', join(linked, 'flake.lock'))
    assert.match(await failureOf(linked), /symbolic link/)
  })
})
