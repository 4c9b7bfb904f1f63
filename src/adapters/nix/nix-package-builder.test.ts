import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { findProgram } from '#adapters/process/find-program.ts'
import type { FoundPackage, PackageOutcome } from '#core/nix/package-outcome.ts'
import { storePathName } from '#core/nix/store-path.ts'
import type { System } from '#core/nix/system.ts'
import type {
  PackageBuilder,
  RealiseOutcome,
  RealiseProgress,
} from '#engine/ports/package-builder.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { startNixDaemon } from '#test/clients/nix-daemon.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import {
  createNixPackageBuilder,
  type NixPackageBuilder,
  type NixPackageBuilderOptions,
} from './nix-package-builder.ts'
import { probeNix } from './probe-nix.ts'

const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const missing = await missingPrograms(['nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb'])

describe('createNixPackageBuilder()', { skip: missing }, () => {
  let directory: string
  let set: PackageSet
  let nix: PackageBuilder
  const opened: NixPackageBuilder[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nixery-awkward-'))
    set = await prepareAwkwardSet(directory)
    nix = await open({})
  })

  after(async () => {
    for (const builder of opened) await builder.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function open(options: Partial<NixPackageBuilderOptions>): Promise<PackageBuilder> {
    const builder = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      nixTimeoutS: 30,
      settings: new Map([['substituters', '']]),
      inheritedEnvironment: process.env,
      ...options,
    })
    opened.push(builder)
    return builder
  }

  async function evaluate(
    packages: readonly string[],
    builder = nix,
    signal = AbortSignal.timeout(60_000),
  ): Promise<readonly PackageOutcome[]> {
    const request = { set, policy: strictPolicy, system, optionalPackages: [] }
    return builder.evaluate({ ...request, packages }, signal)
  }

  async function find(...packages: readonly string[]): Promise<readonly FoundPackage[]> {
    const outcomes = await evaluate(packages)
    return outcomes.map((outcome) => {
      assert.ok(outcome.kind === 'found', JSON.stringify(outcome))
      return outcome
    })
  }

  async function realise(
    name: string,
    builder = nix,
    signal = AbortSignal.timeout(60_000),
  ): Promise<{ outcome: RealiseOutcome; progress: RealiseProgress[] }> {
    const progress: RealiseProgress[] = []
    const lease = await builder.lease()
    try {
      const found = await find(name)
      const outcome = await builder.realise(found, lease, (it) => progress.push(it), signal)
      return { outcome, progress }
    } finally {
      await lease.release()
    }
  }

  /** Processes of this run that are still there: every one has the directory or the nonce in its arguments. */
  async function processesLeft(): Promise<string[]> {
    const nonce = await readFile(join(directory, 'nonce'), 'utf8')
    const commands: string[] = []
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      if (command.includes(directory) || command.includes(nonce)) commands.push(command)
    }
    return commands
  }

  describe('evaluate()', () => {
    test('finds packages however a registry has to spell them, in the order asked for', async () => {
      const spellings = new Map([
        ['tool', ['tool']],
        ['nested.inner-set.leaf', ['nested', 'Inner-Set', 'Leaf']],
        ['exact', ['exact']],
        ['7zz', ['_7zz']],
        ['gplusplus', ['g++']],
        ['plus', ['plus']],
        ['dotted1.2', ['dotted1.2']],
        ['many-outputs.dev', ['many-outputs', 'dev']],
      ])
      const found = await find(...spellings.keys())
      assert.deepEqual(
        found.map((it) => it.package),
        [...spellings.keys()],
      )
      assert.deepEqual(
        found.map((it) => it.attributePath),
        [...spellings.values()],
      )
    })

    test('chooses the outputs that meta wants, else the default one, else the named one', async () => {
      const names = (await find('many-outputs', 'tool', 'many-outputs.dev')).map((it) =>
        it.outputs.map((output) => output.name),
      )
      assert.deepEqual(names, [['bin', 'dev'], ['out'], ['dev']])
    })

    test('gives each failure of one request its own outcome', async () => {
      const outcomes = await evaluate([
        'tool',
        'twocases',
        'a-function',
        'a-list',
        'nested',
        'tools',
        'nestd.inner-set.leaf',
        'nested.inner-set.laef',
        'dotted1.4',
      ])
      assert.equal(outcomes[0]?.kind, 'found')
      assert.deepEqual(outcomes.slice(1), [
        { kind: 'ambiguous', package: 'twocases', candidates: ['TwoCases', 'twocasES'] },
        { kind: 'not-a-derivation', package: 'a-function', valueType: 'lambda' },
        { kind: 'not-a-derivation', package: 'a-list', valueType: 'list' },
        { kind: 'not-a-derivation', package: 'nested', valueType: 'set' },
        { kind: 'not-found', package: 'tools', nearNames: ['tool'] },
        {
          kind: 'not-found',
          package: 'nestd.inner-set.leaf',
          nearNames: ['nested.inner-set.leaf'],
        },
        {
          kind: 'not-found',
          package: 'nested.inner-set.laef',
          nearNames: ['nested.inner-set.leaf'],
        },
        {
          kind: 'not-found',
          package: 'dotted1.4',
          nearNames: ['dotted1.3', 'dotted1.2', 'dotted1'],
        },
      ])
    })

    test('tells refusals of nixpkgs apart by their words and by the notes in meta', async () => {
      const outcomes = await evaluate([
        'unfree',
        'broken',
        'insecure',
        'unsupported',
        'noted-unfree',
        'noted-broken',
        'noted-insecure',
        'noted-unsupported',
      ])
      const kinds = ['unfree', 'broken', 'insecure', 'unsupported-system']
      assert.deepEqual(
        outcomes.map((it) => it.kind),
        [...kinds, ...kinds],
      )
      assert.match(messageOf(outcomes[0]!), /^Package ‘unfree-1.0’ .* refusing to evaluate\.$/)
      assert.equal(messageOf(outcomes[3]!), 'x', 'without the words that every refusal begins with')
      assert.equal(messageOf(outcomes.at(-1)!), 'no', 'the words of the set where meta has none')
    })

    test('refuses what the policy forbids, whether or not the set does', async () => {
      const messages: ReadonlyMap<string, readonly [kind: string, message: string]> = new Map([
        ['checked-unfree', ['unfree', 'NIXERY_ALLOW_UNFREE is not on (secret)']],
        ['checked-broken', ['broken', 'NIXERY_ALLOW_BROKEN is not on']],
        [
          'checked-insecure',
          ['insecure', 'NIXERY_ALLOW_INSECURE does not list checked-insecure-1.0 (CVE-1, CVE-2)'],
        ],
        ['checked-unsupported', ['unsupported-system', 'it is for riscv64-linux, x86_64-darwin']],
        ['plain-unfree', ['unfree', 'NIXERY_ALLOW_UNFREE is not on (Secret)']],
        ['plain-broken', ['broken', 'NIXERY_ALLOW_BROKEN is not on']],
        [
          'plain-insecure',
          ['insecure', 'NIXERY_ALLOW_INSECURE does not list greeting-1.0 (CVE-3)'],
        ],
        ['plain-unsupported', ['unsupported-system', 'it is for riscv64-linux, x86_64-darwin']],
        ['plain-bad-platform', ['unsupported-system', 'its package set does not support it there']],
        ['plain-unavailable', ['unsupported-system', 'its package set does not support it there']],
        ['plain-unreadable', ['evaluation-error', 'this licence is lost (default.nix:N:N)']],
        // Neither its outputs nor what else lies in it have its meta.
        ['plain-unfree.out', ['unfree', 'NIXERY_ALLOW_UNFREE is not on (Secret)']],
        ['plain-unfree.src', ['unfree', 'NIXERY_ALLOW_UNFREE is not on (Secret)']],
      ])
      const outcomes = await evaluate([...messages.keys(), 'plain-patterns'])
      const refused = outcomes.slice(0, -1)
      assert.deepEqual(
        new Map(
          refused.map((it) => [it.package, [it.kind, messageOf(it).replaceAll(/:\d+/g, ':N')]]),
        ),
        messages,
      )
      assert.equal(outcomes.at(-1)?.kind, 'found', 'patterns are for the set itself to judge')
    })

    test('takes what a plain set has for one system for no other', async () => {
      const entry = join(directory, 'plain.nix')
      await writeFile(
        entry,
        `rec {
          program = derivation { name = "program"; system = "x86_64-linux"; builder = "/x"; };
          text = derivation { name = "text"; system = "builtin"; builder = "/x"; };
          crossed = program // { stdenv.hostPlatform.system = "aarch64-linux"; };
        }`,
      )
      const plain = { identity: 'plain', fixed: false, entry, readablePaths: [] }
      const kindsOn = async (it: System) => {
        const request = { set: plain, policy: strictPolicy, system: it, optionalPackages: [] }
        const packages = ['program', 'text', 'crossed']
        const outcomes = await nix.evaluate({ ...request, packages }, AbortSignal.timeout(60_000))
        return outcomes.map(({ kind }) => kind)
      }
      assert.deepEqual(await kindsOn('x86_64-linux'), ['found', 'found', 'unsupported-system'])
      assert.deepEqual(await kindsOn('aarch64-linux'), ['unsupported-system', 'found', 'found'])
    })

    test('finds what the policy allows, and no more', async () => {
      const policy = {
        ...strictPolicy,
        unfree: true,
        broken: true,
        insecure: ['checked-insecure-1.0', 'greeting-2.0'],
      }
      const packages = [
        'checked-unfree',
        'checked-broken',
        'checked-insecure',
        'plain-unfree',
        'plain-broken',
        'plain-insecure',
        'checked-unsupported',
        'plain-unfree.out',
      ]
      const outcomes = await nix.evaluate(
        { set, policy, system, packages, optionalPackages: [] },
        AbortSignal.timeout(60_000),
      )
      assert.deepEqual(
        outcomes.map((it) => it.kind),
        ['found', 'found', 'found', 'found', 'found', 'insecure', 'unsupported-system', 'found'],
      )
    })

    test('reports what a package throws as one line, and where', async () => {
      const outcomes = await evaluate(['throws', 'throws-on-the-way.package'])
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        ['evaluation-error', 'evaluation-error'],
      )
      const [throws, onTheWay] = outcomes.map(messageOf)
      assert.match(throws!, /^this package is not to be had \(default\.nix:\d+:\d+\)$/)
      assert.match(onTheWay!, /^no way through \(default\.nix:\d+:\d+\)$/)
    })

    test('says where mistakes of a set are, in words of the set', async () => {
      const mistakes = join(directory, 'mistakes')
      await mkdir(mistakes)
      await writeFile(join(mistakes, 'syntax.nix'), '{\n  a = 1\n  b = 2;\n}\n')
      await writeFile(
        join(mistakes, 'default.nix'),
        `{
          nope = { }.nope;
          called = { } { };
          syntax = import ./syntax.nix;
          lost = builtins.readFile ./bin/lost;
          nixpkgs = import <nixpkgs> { };
          fetched = import (fetchTarball "https://example.invalid/x.tar.gz");
          number = 1;
        }`,
      )
      const set = { identity: 'x', fixed: false, entry: mistakes, readablePaths: [mistakes] }
      const packages = ['nope', 'called', 'syntax', 'lost', 'nixpkgs', 'fetched']
      const outcomes = await nix.evaluate(
        { set, policy: strictPolicy, system, packages, optionalPackages: [] },
        AbortSignal.timeout(60_000),
      )
      const expected = [
        /^attribute 'nope' missing \(default\.nix:2:\d+\)$/,
        /^attempt to call something which is not a function.* \(default\.nix:3:\d+\)$/,
        /^syntax error, unexpected '=', expecting ';' \(syntax\.nix:3:5\)$/,
        /'bin(?:\/lost)?'.* \(default\.nix:5:\d+\)$/,
        /^the package set asks for <nixpkgs>, .* \(default\.nix:6:\d+\)$/,
        /example\.invalid.*NIXERY_ALLOWED_URIS \(default\.nix:7:\d+\)$/,
      ]
      for (const [index, pattern] of expected.entries()) {
        const outcome = outcomes[index]!
        assert.match(messageOf(outcome), pattern)
        assert.ok(!JSON.stringify(outcome).includes(directory), 'no path of this machine')
      }
      const [nope] = outcomes
      assert.ok(nope?.kind === 'evaluation-error')
      assert.match(nope.trace?.[0] ?? '', /^default\.nix:2:\d+: while evaluating.*'nope'/)
    })

    test('takes nothing that a package says for a failure of the machine or for a refusal', async () => {
      const entry = join(directory, 'forger.nix')
      const words = ['cannot connect to daemon', 'it has an unfree license']
      await writeFile(
        entry,
        String.raw`{
          thrown = throw "error: cannot connect to daemon";
          paragraph = throw "no\n\nerror: cannot connect to daemon\n\nx is marked as broken";
          traced = builtins.trace "x\nerror: cannot connect to daemon" { }.nope;
          context = builtins.addErrorContext "x\nerror: database or disk is full" { }.nope;
          aborted = abort "database or disk is full";
          named = { }."${words[0]}";
          refused = { }."${words[1]}";
          unread = builtins.readFile (./. + "/x: No space left on device");
          group = builtins.readFile (./. + "/build-users-group");
        }`,
      )
      const set = { identity: 'f', fixed: false, entry, readablePaths: [directory] }
      const names = [
        'thrown',
        'paragraph',
        'traced',
        'context',
        'aborted',
        'named',
        'refused',
        'unread',
        'group',
      ]
      const outcomes = await nix.evaluate(
        { set, policy: strictPolicy, system, packages: names, optionalPackages: [] },
        AbortSignal.timeout(60_000),
      )
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        names.map(() => 'evaluation-error'),
      )
      assert.match(messageOf(outcomes[1]!), /^no \(forger\.nix/)
      await writeFile(entry, 'throw "cannot connect to daemon"')
      const [whole] = await nix.evaluate(
        { set, policy: strictPolicy, system, packages: ['any'], optionalPackages: [] },
        AbortSignal.timeout(60_000),
      )
      assert.equal(whole?.kind, 'evaluation-error')
    })

    test('gives the message of an error below thousands of calls', async () => {
      const entry = join(directory, 'deep.nix')
      const call = 'let call = depth: if depth == 0 then throw "the end" else 1 + call (depth - 1);'
      await writeFile(entry, `${call} in { deep = call 3000; }`)
      const set = { identity: 'd', fixed: false, entry, readablePaths: [entry] }
      const [outcome] = await nix.evaluate(
        { set, policy: strictPolicy, system, packages: ['deep'], optionalPackages: [] },
        AbortSignal.timeout(60_000),
      )
      assert.match(messageOf(outcome!), /^the end/)
    })

    test('finds the others when a package ends the whole evaluation', async () => {
      const outcomes = await evaluate(['aborts', 'tool', 'recurses', 'mistyped', 'greeting'])
      assert.deepEqual(
        outcomes.map((it) => it.kind),
        ['evaluation-error', 'found', 'evaluation-error', 'evaluation-error', 'found'],
      )
      assert.match(messageOf(outcomes[0]!), /the end/)
      assert.match(messageOf(outcomes[2]!), /infinite recursion/)
      assert.match(messageOf(outcomes[3]!), /cannot add|cannot coerce|expected a/)
    })

    test('refuses what calls itself a derivation and has not the parts of one', async () => {
      const outcomes = await evaluate(['numbered', 'tool', 'without-outputs'])
      assert.deepEqual(
        outcomes.map((it) => it.kind),
        ['evaluation-error', 'found', 'evaluation-error'],
      )
      assert.match(messageOf(outcomes[0]!), /derivation path or outputs/)
    })

    test('leaves out optional packages that give no derivation', async () => {
      const outcomes = await nix.evaluate(
        {
          set,
          policy: strictPolicy,
          system,
          packages: ['tool'],
          optionalPackages: ['greeting', 'not-there', 'throws', 'aborts', 'twocases'],
        },
        AbortSignal.timeout(60_000),
      )
      assert.deepEqual(
        outcomes.map((it) => [it.kind, it.package]),
        [
          ['found', 'tool'],
          ['found', 'greeting'],
        ],
      )
    })

    test('keeps files and the environment of this machine from a package set', async () => {
      const [secrets, environment, imports] = await evaluate([
        'reads-secrets',
        'reads-environment',
        'imports',
      ])
      assert.match(messageOf(secrets!), /access to.*'\/etc(?:\/passwd)?'.*forbidden/)
      assert.ok(environment?.kind === 'found')
      assert.equal(storePathName(environment.outputs[0]!.path), 'environment')
      assert.match(messageOf(imports!), /during evaluation/)
    })

    test('refuses derivations that are not in the store', async () => {
      const [outcome] = await evaluate(['unfixed'])
      assert.match(messageOf(outcome!), /no fixed path in the store/)
    })

    test('names both versions when a package set demands a newer Nix', async () => {
      const outcomes = await evaluate(['demanding', 'demanding-features', 'tool'])
      assert.deepEqual(
        outcomes.map((it) => it.kind),
        ['nix-too-old', 'nix-too-old', 'found'],
      )
      for (const outcome of outcomes.slice(0, 2)) {
        assert.match(
          messageOf(outcome),
          /^the package set needs Nix 99\.0 or newer, and this registry has Nix \d+\.\d\S*; NIXERY_NIX_BIN chooses another$/,
        )
      }
    })

    test('stops a package that needs too much memory', async () => {
      const small = await open({ evaluationMemoryMiB: 256 })
      const [outcome] = await evaluate(['devours'], small)
      assert.equal(outcome?.kind, 'evaluation-error')
      assert.match(messageOf(outcome), /more memory than the 256 MiB/)
    })

    test('stops an evaluation that takes too long, and leaves no process behind', async () => {
      const hasty = await open({ evaluationTimeoutMs: 500 })
      const [outcome] = await evaluate(['loops'], hasty)
      assert.equal(outcome?.kind, 'evaluation-timed-out')
      assert.deepEqual(await processesLeft(), [])
    })

    test('rejects with the reason of an aborted signal, and leaves no process behind', async () => {
      const reason = new Error('nobody waits any more')
      const controller = new AbortController()
      setTimeout(() => controller.abort(reason), 500)
      await assert.rejects(evaluate(['loops'], nix, controller.signal), reason)
      assert.deepEqual(await processesLeft(), [])
    })
  })

  test('leaves no evaluation behind when the service is killed', async () => {
    const service = spawn(process.execPath, ['--input-type=module-typescript', '-'], {
      stdio: ['pipe', 'inherit', 'inherit'],
    })
    const modulePath = join(import.meta.dirname, 'nix-package-builder.ts')
    const leaseDirectory = join(directory, 'leases')
    const request = {
      set,
      policy: strictPolicy,
      system,
      packages: ['loops'],
      optionalPackages: [],
    }
    service.stdin.end(`
      import { createNixPackageBuilder } from ${JSON.stringify(modulePath)}
      const nix = await createNixPackageBuilder({
        leaseDirectory: ${JSON.stringify(leaseDirectory)},
        inheritedEnvironment: process.env,
      })
      await nix.evaluate(${JSON.stringify(request)}, new AbortController().signal)
    `)
    const isThere = async () => ((await processesLeft()).length > 0 ? true : undefined)
    await eventually('an evaluation', isThere, 60_000)
    service.kill('SIGKILL')
    await once(service, 'exit')
    const isGone = async () => ((await processesLeft()).length === 0 ? true : undefined)
    await eventually('the end of the evaluation', isGone)
  })

  test('opens only with a Nix that is there', async () => {
    await assert.rejects(open({ binDirectory: '/not/there' }), {
      code: 'NIX_MISSING',
      message: 'there is no nix-store in /not/there',
    })
    const probe = await probeNix({ inheritedEnvironment: process.env }, AbortSignal.timeout(30_000))
    assert.match(probe.version, /^\d+\.\d+/)
  })

  describe('realise() and closure()', () => {
    test('build outputs with their references and sizes', async () => {
      const packages = await find('tool', 'many-outputs', 'odd-name')
      const lease = await nix.lease()
      const signal = AbortSignal.timeout(60_000)
      const progress: RealiseProgress[] = []
      const outcome = await nix.realise(packages, lease, (it) => progress.push(it), signal)
      assert.deepEqual(outcome, { kind: 'realised' })
      const built = progress.filter((it) => it.kind === 'build-finished').map((it) => it.name)
      assert.deepEqual(built.sort(), ['greeting-1.0', 'many-1.0', 'odd_name+1.0?x=y', 'tool-1.0'])

      const paths = packages.flatMap((it) => it.outputs.map((output) => output.path))
      const graph = await nix.closure(paths, signal)
      await lease.release()
      assert.deepEqual(graph.roots, [...paths].sort())
      const references = new Map(
        graph.nodes.map((node) => [storePathName(node.path), node.references.map(storePathName)]),
      )
      assert.deepEqual(
        references,
        new Map(
          Object.entries({
            'greeting-1.0': [],
            'many-1.0': [],
            'many-1.0-bin': ['many-1.0'],
            'many-1.0-dev': [],
            'odd_name+1.0?x=y': [],
            'tool-1.0': ['greeting-1.0'],
          }),
        ),
      )
      for (const node of graph.nodes) assert.ok(node.narSizeBytes > 0, node.path)
    })

    test('keep outputs alive until the lease is released', async () => {
      const [tool] = await find('tool')
      const lease = await nix.lease()
      await nix.realise([tool!], lease, () => undefined, AbortSignal.timeout(60_000))
      const roots = await readdir(lease.directory)
      assert.equal(roots.length, 1)
      await lease.release()
      await assert.rejects(readdir(lease.directory), { code: 'ENOENT' })
      await lease.release()
    })

    test('name the builder that failed, not those that wait for it', async () => {
      const { outcome, progress } = await realise('needs-failing')
      assert.equal(outcome.kind, 'build-failed')
      assert.equal(outcome.name, 'fails-1.0')
      assert.match(outcome.message, /failed with exit code 3/)
      assert.equal(outcome.logTail.length, 25)
      assert.equal(outcome.logTail.at(-1), 'line 39')
      assert.equal(progress.filter((it) => it.kind === 'build-log').length, 40)
    })

    test('pass on a long log without losing a line', async () => {
      const { outcome, progress } = await realise('noisy')
      assert.equal(outcome.kind, 'realised')
      const lines = progress.filter((it) => it.kind === 'build-log').map((it) => it.line)
      assert.equal(lines.length, 20_000)
      assert.equal(lines.at(-1), 'noise 19999')
    })

    test('report a builder that makes no output', async () => {
      const { outcome } = await realise('no-output')
      assert.equal(outcome.kind, 'build-failed')
      assert.match(outcome.message, /failed to produce output/)
    })

    test('report a builder that runs too long', async () => {
      // Time enough for the builder to begin on a busy machine.
      const { outcome } = await realise('hangs', await open({ nixTimeoutS: 3 }))
      assert.equal(outcome.kind, 'build-timed-out')
      assert.equal(outcome.name, 'hangs-1.0')
      assert.deepEqual(outcome.logTail, ['started'])
      assert.deepEqual(await processesLeft(), [])
    })

    test('report when the deadline of the whole realisation is over', async () => {
      const hasty = await open({ realisationTimeoutMs: 1_000 })
      const { outcome } = await realise('hangs', hasty)
      assert.equal(outcome.kind, 'build-timed-out')
      assert.deepEqual(await processesLeft(), [])
    })

    test('end builders when the signal is aborted while they run', async () => {
      const reason = new Error('nobody waits any more')
      const controller = new AbortController()
      const [hangs] = await find('hangs')
      const lease = await nix.lease()
      const started = (it: RealiseProgress) => {
        if (it.kind === 'build-log') controller.abort(reason)
      }
      await assert.rejects(nix.realise([hangs!], lease, started, controller.signal), reason)
      await lease.release()
      assert.deepEqual(await processesLeft(), [])
    })

    test('tell a source that is gone from a builder that fails', async () => {
      const { outcome } = await realise('source-gone')
      assert.equal(outcome.kind, 'source-unavailable')
      assert.equal(outcome.name, 'gone.tar')
      assert.match(outcome.message, /^unable to download 'http:\/\/127\.0\.0\.1:9\//)
    })

    test('say so when this machine cannot build for a system', async () => {
      const { outcome } = await realise('elsewhere')
      assert.equal(outcome.kind, 'build-failed')
      assert.match(outcome.message, /riscv64-linux/)
    })

    test('refuse an output that the derivation does not make', async () => {
      const { outcome } = await realise('steals')
      assert.equal(outcome.kind, 'build-failed')
      assert.match(outcome.message, /-tools, which this derivation does not make/)
    })
  })

  test('does everything through a daemon too', async () => {
    await using daemon = await startNixDaemon(directory)
    const remote = await open({ settings: new Map([['store', `unix://${daemon.socket}`]]) })
    const signal = AbortSignal.timeout(60_000)
    const [tool] = await find('remote')
    const lease = await remote.lease()
    const outcome = await remote.realise([tool!], lease, () => undefined, signal)
    assert.deepEqual(outcome, { kind: 'realised' })
    const graph = await remote.closure([tool!.outputs[0]!.path], signal)
    assert.deepEqual(graph.nodes.map((node) => storePathName(node.path)).sort(), [
      'greeting-1.0',
      'remote-1.0',
    ])
    await lease.release()
    const { outcome: failed } = await realise('needs-failing', remote)
    assert.equal(failed.kind, 'build-failed')
    assert.equal(failed.name, 'fails-1.0')
  })
})

function messageOf(outcome: PackageOutcome): string {
  assert.ok('message' in outcome, JSON.stringify(outcome))
  return outcome.message
}

async function missingPrograms(names: readonly string[]): Promise<string | false> {
  for (const name of names) {
    const path = await findProgram(name, process.env['PATH'] ?? '')
    if (path === undefined) return `there is no ${name} on this machine`
  }
  return false
}
