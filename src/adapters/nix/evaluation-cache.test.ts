import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { after, before, describe, test } from 'node:test'

import { findProgram } from '#adapters/process/find-program.ts'
import type { PackageOutcome } from '#core/nix/package-outcome.ts'
import type { System } from '#core/nix/system.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import type { EvaluateRequest } from '#engine/ports/package-builder.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { createNixPackageBuilder, type NixPackageBuilder } from './nix-package-builder.ts'

const run = promisify(execFile)
const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const searchPath = process.env['PATH'] ?? ''
const realProgram = await findProgram('nix-instantiate', searchPath)
const evaluationTimeoutMs = 60_000
const skip = realProgram === undefined && 'there is no nix-instantiate on this machine'

// Reading the number makes each test's derivations its own.
const packageSet = `
{ system, config }:
let made = name: derivation { inherit name system; builder = "/none"; number = builtins.readFile ./number; };
in {
  one = made "one"; two = made "two"; three = made "three";
  unfree = made "unfree" // { meta.unfree = true; };
  throws = throw "not now";
  loops = builtins.foldl' (a: _: builtins.foldl' (b: _: b) a (builtins.genList (x: x) 100000)) 0 (builtins.genList (x: x) 100000);
}
`

describe('EvaluationCache', { skip }, () => {
  let directory: string
  let set: PackageSet
  const opened: NixPackageBuilder[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nixery-evaluations-'))
    set = await writeSet('set')
    // Counts how often Nix is asked, without changing what it answers.
    const counter = `#!/bin/sh\necho "$*" >> "${directory}/calls"\nexec ${realProgram} "$@"\n`
    await mkdir(join(directory, 'bin'))
    await writeFile(join(directory, 'bin/nix-instantiate'), counter)
    await chmod(join(directory, 'bin/nix-instantiate'), 0o755)
    const store = await findProgram('nix-store', searchPath)
    await writeFile(join(directory, 'bin/nix-store'), `#!/bin/sh\nexec ${store} "$@"\n`)
    await chmod(join(directory, 'bin/nix-store'), 0o755)
  })

  after(async () => {
    for (const builder of opened) await builder.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function writeSet(name: string): Promise<PackageSet> {
    const entry = join(directory, name)
    await mkdir(entry)
    await writeFile(join(entry, 'default.nix'), packageSet)
    await writeFile(join(entry, 'number'), directory)
    return { identity: name, fixed: true, entry, readablePaths: [entry] }
  }

  async function start({ files = '' } = {}) {
    const clock = createManualClock()
    const reported: unknown[] = []
    const builder = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      inheritedEnvironment: {
        ...process.env,
        PATH: join(directory, 'bin') + delimiter + searchPath,
      },
      evaluationTimeoutMs,
      evaluationCache: {
        clock,
        report: (error) => reported.push(error),
        ...(files !== '' && { directory: join(directory, files) }),
      },
    })
    opened.push(builder)
    const evaluate = (
      packages: readonly string[],
      change: Partial<EvaluateRequest> = {},
    ): Promise<readonly PackageOutcome[]> => {
      const request = { set, policy: strictPolicy, system, packages, optionalPackages: [] }
      return builder.evaluate({ ...request, ...change }, AbortSignal.timeout(60_000))
    }
    return { clock, reported, evaluate }
  }

  async function readCalls(): Promise<string[]> {
    const text = await readFile(join(directory, 'calls'), 'utf8').catch(() => '')
    return text.split('\n').filter(Boolean)
  }

  /** The calls of Nix that evaluated since the last question. */
  async function callsSince(): Promise<string[]> {
    const calls = await readCalls()
    await rm(join(directory, 'calls'), { force: true })
    return calls
  }

  test('evaluates a package once', async () => {
    const { evaluate } = await start()
    const first = await evaluate(['one', 'two'])
    assert.equal((await callsSince()).length, 1)
    assert.deepEqual(await evaluate(['two', 'one', 'two']), [first[1], first[0], first[1]])
    assert.deepEqual(await callsSince(), [])
  })

  test('evaluates only what is new, and keeps the order of the request', async () => {
    const { evaluate } = await start()
    await evaluate(['two'])
    await callsSince()
    const outcomes = await evaluate(['one', 'two', 'three'])
    assert.deepEqual(
      outcomes.map((it) => it.package),
      ['one', 'two', 'three'],
    )
    const [call = '', ...others] = await callsSince()
    assert.match(call, /"packages":\["one","three"\]/)
    assert.deepEqual(others, [])
  })

  test('keeps sets, systems and policies apart', async () => {
    const { evaluate } = await start()
    const other = await writeSet('other')
    await evaluate(['unfree'])
    await callsSince()
    const allowed = await evaluate(['unfree'], { policy: { ...strictPolicy, unfree: true } })
    assert.equal(allowed[0]?.kind, 'found')
    assert.equal((await evaluate(['unfree']))[0]?.kind, 'unfree')
    assert.equal((await callsSince()).length, 1)
    await evaluate(['one'], { set: other })
    await evaluate(['one'], {
      system: system === 'x86_64-linux' ? 'aarch64-linux' : 'x86_64-linux',
    })
    await evaluate(['one'], { policy: { ...strictPolicy, insecure: ['x-1'] } })
    assert.equal((await callsSince()).length, 3)
    await evaluate(['one'], { policy: { ...strictPolicy, insecure: ['x-1', 'x-1'], deny: ['y'] } })
    assert.deepEqual(await callsSince(), [])
  })

  test('keeps nothing of a set that is not fixed', async () => {
    const { evaluate } = await start()
    const moving = { set: { ...set, fixed: false } }
    await evaluate(['one'], moving)
    await evaluate(['one'], moving)
    assert.equal((await callsSince()).length, 2)
  })

  test('keeps failures for 30 seconds', async () => {
    const { evaluate, clock } = await start()
    const failures = await evaluate(['throws', 'unfree', 'two'])
    await callsSince()
    clock.advance(29_999)
    assert.deepEqual(await evaluate(['throws', 'unfree', 'two']), failures)
    assert.deepEqual(await callsSince(), [])
    clock.advance(1)
    assert.deepEqual(await evaluate(['throws', 'unfree', 'two']), failures)
    const [call = ''] = await callsSince()
    assert.match(call, /"packages":\["throws","unfree"\]/)
  })

  test('keeps no timeouts', async (context) => {
    const { evaluate } = await start()
    const { timers } = context.mock
    timers.enable({ apis: ['setTimeout'] })
    for (const count of [1, 2]) {
      const outcomes = evaluate(['loops'])
      const isCalled = async () => ((await readCalls()).length === count ? true : undefined)
      await eventually('a call of Nix', isCalled)
      // Its time is over, and then the grace, as it does not listen.
      timers.tick(evaluationTimeoutMs)
      timers.tick(evaluationTimeoutMs)
      assert.equal((await outcomes)[0]?.kind, 'evaluation-timed-out')
    }
    // Both have written their line: another would be one too many.
    assert.equal((await callsSince()).length, 2)
  })

  test('remembers that an optional package is not there, which is no failure of a wanted one', async () => {
    const { evaluate } = await start()
    const optionalPackages = ['missing', 'three', 'throws']
    const outcomes = await evaluate(['one'], { optionalPackages })
    assert.deepEqual(
      outcomes.map((it) => it.package),
      ['one', 'three'],
    )
    await callsSince()
    assert.deepEqual(await evaluate(['one'], { optionalPackages }), outcomes)
    assert.deepEqual(await callsSince(), [])
    assert.equal((await evaluate(['missing']))[0]?.kind, 'not-found')
  })

  test('evaluates again what Nix has collected as garbage', async () => {
    const { evaluate } = await start()
    const [first] = await evaluate(['one'])
    await evaluate(['two'])
    assert.ok(first?.kind === 'found')
    await run('nix-store', ['--delete', first.derivation])
    await callsSince()
    assert.deepEqual((await evaluate(['one', 'two']))[0], first)
    const [call = ''] = await callsSince()
    assert.match(call, /"packages":\["one"\]/)
    await run('nix-store', ['--query', '--hash', first.derivation])
  })

  test('evaluates once for callers who ask at the same time', async () => {
    const { evaluate } = await start()
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => evaluate(['one', 'two'])))
    for (const outcome of outcomes) assert.deepEqual(outcome, outcomes[0])
    assert.equal((await callsSince()).length, 1)
  })

  test('keeps found packages over a restart, and no failures', async () => {
    const before = await start({ files: 'kept' })
    const outcomes = await before.evaluate(['one', 'throws', 'two'])
    await callsSince()
    const { evaluate, reported } = await start({ files: 'kept' })
    assert.deepEqual(await evaluate(['one', 'throws', 'two']), outcomes)
    const [call = ''] = await callsSince()
    assert.match(call, /"packages":\["throws"\]/)
    assert.deepEqual(reported, [])
  })

  test('survives files that are damaged', async () => {
    const before = await start({ files: 'damaged' })
    await before.evaluate(['one'])
    const [name = ''] = await readdir(join(directory, 'damaged'))
    for (const text of ['', '{}', '[{"kind":"found","derivation":"/etc/passwd"}]']) {
      await writeFile(join(directory, 'damaged', name), text)
      const { evaluate, reported } = await start({ files: 'damaged' })
      await callsSince()
      assert.equal((await evaluate(['one']))[0]?.kind, 'found')
      assert.equal((await callsSince()).length, 1)
      assert.equal(reported.length, 1, text)
    }
  })

  test('survives a directory that cannot be written', async () => {
    await writeFile(join(directory, 'a-file'), '')
    const { evaluate, reported } = await start({ files: 'a-file' })
    assert.equal((await evaluate(['one']))[0]?.kind, 'found')
    await callsSince()
    assert.equal((await evaluate(['one']))[0]?.kind, 'found')
    assert.deepEqual(await callsSince(), [])
    assert.ok(reported.length > 0)
  })

  test('keeps files of 64 states', async () => {
    const { evaluate } = await start({ files: 'many' })
    await mkdir(join(directory, 'many'))
    for (let count = 0; count < 70; count++) {
      await writeFile(join(directory, 'many', `${count}.json`), '[]')
    }
    await evaluate(['one'])
    assert.equal((await readdir(join(directory, 'many'))).length, 64)
  })
})
