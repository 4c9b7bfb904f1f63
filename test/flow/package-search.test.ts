import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import pino from 'pino'
import { listPackages, type ListingLimits } from '#adapters/nix/list-packages.ts'
import { openNix } from '#adapters/nix/nix.ts'
import { PackageSetQuery } from '#adapters/nix/package-set-query.ts'
import { makeIndex, type IndexRequest } from '#adapters/package-search/make-index.ts'
import { PackageIndex } from '#adapters/package-search/package-index.ts'
import { strictPolicy, type PackagePolicy } from '#core/request/package-policy.ts'
import { formatPlatform, platformOf, type System } from '#core/nix/system.ts'
import type { FoundPackage, ListedPackage } from '#engine/ports/package-search.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { newestDebianPackageSet } from '#package-sets/debian/debian-package-set.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { findProcesses } from '#test/anomaly/find-processes.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { runPlainGit } from '#test/sources/git-repository.ts'
import { readConfig } from '../../src/config.ts'
import { openPackageSearch } from '../../src/open-package-search.ts'
import { openSources } from '../../src/open-sources.ts'

const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const otherSystem: System = system === 'x86_64-linux' ? 'aarch64-linux' : 'x86_64-linux'
const nix = { inheritedEnvironment: process.env }
const { signal } = new AbortController()
const skip = skipUnless(['nix-instantiate', 'apt-get', 'dpkg-deb', 'flock', 'git'])

/** The awkward set without what takes for ever, and what people read of packages. */
const described = `arguments:
let
  awkward = import ./default.nix arguments;
  inherit (awkward) greeting;
  about = meta: greeting // { inherit meta; };
in
removeAttrs awkward [ "loops" "devours" ] // {
  described = about { description = "\\n  first\\tline  \\n second"; };
  long = about { description = builtins.concatStringsSep " " (builtins.genList toString 1000); };
  numbered-description = about { description = 1; };
  throwing-description = about { description = throw "lost"; };
  versioned = greeting // { pname = "hello"; version = "2.0"; name = "hello-2.0"; };
  throwing-version = greeting // { version = throw "lost"; };
  Outer = {
    recurseForDerivations = true;
    Inner = about { description = "inside"; };
    shadowed = greeting;
    Deeper = {
      recurseForDerivations = true;
      too = greeting;
      quiet.hidden = greeting;
      deep = {
        recurseForDerivations = true;
        down = greeting;
        deepest = { recurseForDerivations = true; hidden = greeting; };
      };
    };
    "deeper.too" = about { description = "by its longer name"; };
    throws = throw "no";
    aborts = abort "no";
  };
  "outer.shadowed" = greeting;
  shell = greeting;
  amd64 = greeting;
}
`

/** The attributes that a pull of the names looks at. */
async function lookUp(set: PackageSet, names: readonly string[]) {
  const limits = { evaluationTimeoutMs: 200_000, evaluationMemoryMiB: 2048 }
  const view = { set, system, policy: strictPolicy }
  const query = new PackageSetQuery(await openNix(nix), limits, view, signal)
  const answer = await query.lookUp(names, { catch: true })
  assert.ok(answer.kind === 'results', JSON.stringify(answer))
  return answer.results.map((it) => ('path' in it ? it.path.join('.') : it.kind))
}

suite('the packages of a set', { skip }, () => {
  async function list(set: PackageSet, policy: PackagePolicy, limits?: ListingLimits) {
    const packages: ListedPackage[] = []
    const outcome = await listPackages(
      nix,
      { set, system, policy },
      (some) => packages.push(...some),
      signal,
      limits,
    )
    const names = packages.map(({ name }) => name).sort()
    return { outcome, names, find: (name: string) => packages.find((it) => it.name === name) }
  }

  async function writeSet(directory: string, text: string): Promise<PackageSet> {
    const entry = join(directory, 'set.nix')
    await writeFile(entry, text)
    return { identity: 'set', fixed: true, entry, readablePaths: [directory] }
  }

  test('are listed as far as they can be had, and spelled as they can be asked for', async () => {
    await using directory = await makeScratchDirectory()
    await prepareAwkwardSet(directory.path)
    const set = await writeSet(directory.path, described)
    const { outcome, names, find } = await list(set, strictPolicy)
    // aborts, demanding, demanding-features, imports, recurses, Outer.aborts
    assert.deepEqual(outcome, { kind: 'listed', left: 6 })
    assert.deepEqual(names, listedNames)
    const check = (name: string, expected: Omit<ListedPackage, 'name'>) =>
      assert.deepEqual(find(name), { name, ...expected })
    check('greeting', { attributePath: 'greeting', version: '1.0' })
    check('gplusplus', { attributePath: 'g++', version: '1.0' })
    check('7zz', { attributePath: '_7zz', version: '1.0' })
    check('described', { attributePath: 'described', version: '1.0', description: 'first line' })
    check('numbered-description', { attributePath: 'numbered-description', version: '1.0' })
    check('throwing-description', { attributePath: 'throwing-description', version: '1.0' })
    check('throwing-version', { attributePath: 'throwing-version', version: '1.0' })
    check('versioned', { attributePath: 'versioned', version: '2.0' })
    check('outer.inner', { attributePath: 'Outer.Inner', version: '1.0', description: 'inside' })
    check('outer.deeper.deep.down', {
      attributePath: 'Outer.Deeper.deep.down',
      version: '1.0',
    })
    check('outer.deeper.too', {
      attributePath: 'Outer.deeper.too',
      version: '1.0',
      description: 'by its longer name',
    })
    check('outer.shadowed', { attributePath: 'outer.shadowed', version: '1.0' })
    assert.match(find('long')?.description ?? '', /^0 1 2 .{290,}…$/)
    // The derivations of these are none, which ends the look-up of all.
    const wellMade = names.filter(
      (name) => !['mistyped', 'numbered', 'reads-secrets', 'without-outputs'].includes(name),
    )
    assert.deepEqual(
      await lookUp(set, wellMade),
      wellMade.map((name) => find(name)?.attributePath),
    )
  })

  test('are those that the policy serves', async () => {
    await using directory = await makeScratchDirectory()
    await prepareAwkwardSet(directory.path)
    const set = await writeSet(directory.path, described)
    const lenient = { ...strictPolicy, unfree: true, broken: true, insecure: ['greeting-1.0'] }
    const more = (await list(set, lenient)).names.filter((name) => !listedNames.includes(name))
    assert.deepEqual(more, [
      'checked-broken',
      'checked-unfree',
      'noted-broken',
      'noted-unfree',
      'plain-broken',
      'plain-insecure',
      'plain-unfree',
    ])
    const patterns = { allow: ['g*', 'outer.*', 'tool', '7zz'], deny: ['g++', 'outer', 'tool-1.0'] }
    const few = await list(set, { ...strictPolicy, ...patterns })
    assert.deepEqual(few.names, ['7zz', 'gone', 'greeting', 'outer.shadowed'])
  })

  test('are listed without what takes too long or too much memory', async () => {
    await using directory = await makeScratchDirectory()
    const set = await writeSet(
      directory.path,
      `let
        package = name: derivation { inherit name; system = "${system}"; builder = "none"; };
        many = builtins.genList (index: index) 100000;
      in
      builtins.listToAttrs (map (name: { inherit name; value = package name; }) (map (it: "p" + toString it) (builtins.genList (it: it) 20)))
      // {
        loops = builtins.foldl' (sum: _: builtins.foldl' (inner: _: inner) sum many) 0 many;
        devours = builtins.foldl' (list: _: list ++ list) [ 0 ] (builtins.genList (it: it) 60);
      }`,
    )
    const limits = {
      // What loops takes all of it; the others take a second, and ten on a busy machine.
      evaluationTimeoutMs: 20_000,
      attributeTimeoutMs: 0,
      evaluationMemoryMiB: 500,
      listingTimeoutMs: 600_000,
      mostPaths: 1_000,
    }
    const { outcome, names } = await list(set, strictPolicy, limits)
    assert.deepEqual(outcome, { kind: 'listed', left: 2 })
    assert.equal(names.length, 20)
    const hurried = await list(set, strictPolicy, { ...limits, listingTimeoutMs: 0 })
    assert.deepEqual(hurried.outcome, { kind: 'listed', left: 22 })
    const late = await list(set, strictPolicy, { ...limits, evaluationTimeoutMs: 1 })
    const message = 'the package set cannot be evaluated in time'
    assert.deepEqual(late.outcome, { kind: 'unlistable', message, mayPass: true })
  })

  test('are listed in little memory when a set contains itself', async () => {
    await using directory = await makeScratchDirectory()
    // 600 members, each the set again: 216 million at its third level.
    const set = await writeSet(
      directory.path,
      `{ system }:
      let
        package = derivation { name = "p-1"; inherit system; builder = "b"; };
        member = index: { name = "s\${toString index}"; value = self; };
        self = { recurseForDerivations = true; inherit package; }
          // builtins.listToAttrs (builtins.genList member 600);
      in self`,
    )
    const worker = new Worker(new URL('list-packages-entry.ts', import.meta.url), {
      workerData: { view: { set, system, policy: strictPolicy }, mostPaths: 4_000 },
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    })
    assert.deepEqual(await once(worker, 'message'), [
      {
        // 602 names at each level, of which 4,000 are looked at: all of the first, 3,398 of the second.
        outcome: { kind: 'listed', left: 600 * 602 - 3_398 + 3_386 * 602 },
        names: ['', 's0.', 's1.', 's10.', 's100.', 's101.', 's102.'].map((set) => `${set}package`),
      },
    ])
  })

  test('cannot be listed when it is none, and that has a reason', async () => {
    await using directory = await makeScratchDirectory()
    const broken = await writeSet(directory.path, '{ git = ')
    const { outcome } = await list(broken, strictPolicy)
    assert.ok(outcome.kind === 'unlistable')
    assert.match(outcome.message, /^the package set is no package set: .*syntax error/)
    assert.equal(outcome.mayPass, false)
    const empty = await writeSet(directory.path, '{ }')
    assert.deepEqual((await list(empty, strictPolicy)).outcome, { kind: 'listed', left: 0 })
  })
})

suite('searching the packages of sources', { skip }, () => {
  test('finds what the bundled set has, as it is pulled', async () => {
    await using directory = await makeScratchDirectory()
    const home = join(directory.path, 'package-sets')
    await mkdir(home)
    await symlink(join(await prepareStateDirectory(), 'package-sets/debian'), join(home, 'debian'))
    const config = readConfig({
      ...process.env,
      NIXERY_STATE_DIRECTORY: directory.path,
      NIXERY_REFRESH_HOURS: '0',
      NIXERY_DENY: 'nodejs,*cowsay*',
    })
    const logger = pino({ level: 'silent' })
    await using opened = await openSources(config, logger, signal)
    const search = await openPackageSearch(config, logger, opened.sources)
    await using _closing = { [Symbol.asyncDispose]: () => search.close() }
    const find = (words: string) => search.search('', words, 5, signal)
    assert.deepEqual(await find('git'), { kind: 'listing' })
    const git = await eventually(
      'the listing',
      async () => {
        const outcome = await find('git')
        return outcome.kind === 'listing' ? undefined : outcome
      },
      // Half a minute, where nothing else runs.
      480_000,
    )
    assert.ok(git.kind === 'found', JSON.stringify(git))
    assert.match(git.revision, /^debian-[0-9a-f]{40}$/)
    const [first] = git.packages
    assert.equal(first?.name, 'git')
    assert.match(first.version ?? '', /^1:\d/)
    assert.match(first.description ?? '', /revision control/)
    const check = async (words: string, ...expected: readonly string[]) => {
      const outcome = await find(words)
      assert.ok(outcome.kind === 'found')
      const names = outcome.packages.map(({ name }) => name)
      for (const name of expected) assert.ok(names.includes(name), `${words}: ${names.join(' ')}`)
    }
    await check('g++', 'gplusplus')
    await check('bashInteractive', 'bashinteractive')
    await check('pyth', 'python3')
    await check('numpy', 'python3-numpy')
    await check('7zz', '7zz')
    const misspelled = await find('htpo')
    assert.ok(misspelled.kind === 'found')
    assert.equal(misspelled.near[0]?.name, 'htop')
    // What the page puts into a name is what a pull finds.
    const stored = await newestDebianPackageSet(directory.path)
    const some = await search.search('', 'plus', 100, signal)
    assert.ok(stored && some.kind === 'found' && some.packages.length === 100)
    assert.deepEqual(
      await lookUp(
        stored.set,
        some.packages.map(({ name }) => name),
      ),
      some.packages.map(({ attributePath }) => attributePath),
    )
    for (const denied of ['cowsay', 'nodejs_18']) {
      const outcome = await find(denied)
      assert.deepEqual(outcome.kind === 'found' && outcome.packages, [], denied)
    }
  })

  test('finds what a flake has', async () => {
    await using directory = await makeScratchDirectory()
    const flake = join(directory.path, 'flake')
    await mkdir(flake)
    const greeter = `derivation { name = "greeter-1.2"; system = "${system}"; builder = "b"; }`
    await writeFile(
      join(flake, 'flake.nix'),
      `{ outputs = { self }: {
        packages.${system}.Greeter = ${greeter} // { meta.description = "greets"; };
        legacyPackages.${system}.More = { recurseForDerivations = true; greeter = ${greeter}; };
        packages.${otherSystem}.elsewhere = ${greeter};
      }; }`,
    )
    await runPlainGit(flake, 'init', '--quiet')
    await runPlainGit(flake, 'add', '--all')
    const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
    await runPlainGit(flake, ...identity, 'commit', '--quiet', '--message=flake')
    const config = readConfig({
      ...process.env,
      NIXERY_STATE_DIRECTORY: join(directory.path, 'state'),
      NIXERY_PKGS_PATH: flake,
      NIXERY_PLATFORMS: 'linux/amd64,linux/arm64',
    })
    const logger = pino({ level: 'silent' })
    await using opened = await openSources(config, logger, signal)
    const search = await openPackageSearch(config, logger, opened.sources)
    await using _closing = { [Symbol.asyncDispose]: () => search.close() }
    await search.prepare()
    const check = async (words: string, expected: readonly FoundPackage[]) => {
      const found = await search.search('', words, 5, signal)
      assert.deepEqual(found.kind === 'found' && found.packages, expected, words)
    }
    const platforms = [platformOf(process.arch === 'arm64' ? 'arm64' : 'amd64')].map(formatPlatform)
    const inner = { name: 'more.greeter', attributePath: 'More.greeter', version: '1.2', platforms }
    await check('greeter', [
      {
        name: 'greeter',
        attributePath: 'Greeter',
        version: '1.2',
        description: 'greets',
        platforms,
      },
      inner,
    ])
    for (const words of ['more.greeter', 'More.Greeter', 'more greeter', 'greeter more'])
      await check(words, [inner])
    const elsewhere = await search.search('', 'elsewhere', 5, signal)
    assert.ok(elsewhere.kind === 'found')
    const [only] = elsewhere.packages
    assert.deepEqual(
      elsewhere.platforms.filter((each) => !only?.platforms.includes(each)),
      platforms,
    )
  })

  test('does not say of packages what it cannot know of a platform', async () => {
    await using directory = await makeScratchDirectory()
    const entry = join(directory.path, 'set.nix')
    const set = { identity: 'set', fixed: true, entry, readablePaths: [] }
    const amd64 = { platform: 'linux/amd64', set, system: 'x86_64-linux', policy: strictPolicy }
    const arm64 = { ...amd64, platform: 'linux/arm64', system: 'aarch64-linux' }
    const request = {
      path: join(directory.path, 'index'),
      origin: { identity: 'set', revision: 'one', listedAtMs: 1 },
      nix: {},
      views: [amd64, arm64] as IndexRequest['views'],
    }
    const write = (onArm: string) =>
      writeFile(
        entry,
        `{ system }: if system == "aarch64-linux" then ${onArm} else {
          git = derivation { name = "git-1"; inherit system; builder = "b"; };
        }`,
      )
    await write('throw "no arm"')
    const made = await makeIndex(request, process.env, signal)
    const message = 'the package set is no package set: no arm'
    const unlisted = [{ platform: arm64.platform, message }]
    assert.deepEqual(made, { kind: 'listed', packages: 1, left: 0, unlisted })
    using index = new PackageIndex(request.path)
    const { platforms, packages } = index.search('git', 5)
    assert.deepEqual([platforms, packages[0]?.platforms], [[amd64.platform], [amd64.platform]])
    assert.equal(index.facts.isProvisional, false, 'it throws as long as it is that set')
  })

  test('makes an index in a process that ends with its caller', async () => {
    await using directory = await makeScratchDirectory()
    const entry = join(directory.path, 'set.nix')
    const path = join(directory.path, 'index')
    const platforms = ['linux/amd64', 'linux/arm64']
    const origin = { identity: 'set', revision: 'one', listedAtMs: 1 }
    const set = { identity: 'set', fixed: true, entry, readablePaths: [] }
    const views = [
      { platform: platforms[0]!, set, system: 'x86_64-linux', policy: strictPolicy },
      { platform: platforms[1]!, set, system: 'aarch64-linux', policy: strictPolicy },
    ] as const
    const request = { path, origin, nix: {}, views }
    await writeFile(
      entry,
      `{ system }:
      let package = name: derivation { inherit name system; builder = "b"; }; in
      { both = package "both-1"; }
      // (if system == "aarch64-linux" then { arm = package "arm-2"; } else { amd = package "amd-3"; })`,
    )
    const made = await makeIndex(request, process.env, signal)
    assert.deepEqual(made, { kind: 'listed', packages: 3, left: 0, unlisted: [] })
    {
      using index = new PackageIndex(path)
      const check = (name: string, version: string, ...expected: readonly string[]) =>
        assert.deepEqual(index.find(name, 5), [
          { name, attributePath: name, version, platforms: expected },
        ])
      check('both', '1', ...platforms)
      check('arm', '2', 'linux/arm64')
      check('amd', '3', 'linux/amd64')
    }
    await assert.rejects(makeIndex(request, process.env, signal), /listing packages ended with/)
    const endless = "builtins.foldl' (sum: _: builtins.foldl' (inner: _: inner) sum many) 0 many"
    await writeFile(entry, `let many = builtins.genList (it: it) 100000; in { a = ${endless}; }`)
    const leaving = new AbortController()
    const left = makeIndex({ ...request, path: `${path}-2` }, process.env, leaving.signal)
    const nixOfSet = () => findProcesses(entry)
    await eventually('Nix', async () => ((await nixOfSet()).length > 0 ? true : undefined))
    leaving.abort(new Error('enough'))
    await assert.rejects(left, /enough/)
    await eventually('the end of Nix', async () =>
      (await nixOfSet()).length === 0 ? true : undefined,
    )
  })
})

const listedNames: readonly string[] = [
  '7zz',
  'broken',
  'described',
  'dotted1.2',
  'elsewhere',
  'exact',
  'fails',
  'gone',
  'gplusplus',
  'greeting',
  'hangs',
  'insecure',
  'is-a-file',
  'is-a-link',
  'long',
  'many-blocks',
  'many-outputs',
  'many-paths',
  'many-paths-again',
  'mistyped',
  'needs-failing',
  'no-output',
  'noisy',
  'numbered',
  'numbered-description',
  'odd-files',
  'odd-name',
  'outer.deeper.deep.down',
  'outer.deeper.too',
  'outer.inner',
  'outer.shadowed',
  'plain-patterns',
  'plus',
  'reads-environment',
  'reads-secrets',
  'remote',
  'source-gone',
  'steals',
  'throwing-description',
  'throwing-version',
  'tool',
  'unfixed',
  'unfree',
  'unsupported',
  'versioned',
  'without-outputs',
]
