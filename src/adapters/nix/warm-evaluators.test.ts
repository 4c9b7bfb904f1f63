import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

import type { System } from '#core/nix/system.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { findProcesses } from '#test/anomaly/find-processes.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareNewerNix } from '#test/clients/newer-nix.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { openNix, type Nix } from './nix.ts'
import { PackageSetQuery } from './package-set-query.ts'
import { quote, unquote } from './warm-evaluator.ts'
import { WarmEvaluators } from './warm-evaluators.ts'

const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const newer = await prepareNewerNix()
const skip = skipUnless(['nix', 'nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb'])
const { signal } = new AbortController()

/** What is found, is not found, is refused or throws, and what nobody should ask for. */
const names = [
  'tool nested.inner-set.leaf 7zz gplusplus dotted1.2 many-outputs.dev odd-name twocases',
  'a-function a-list nested tools nested.inner-set.laef unfree broken noted-insecure unfixed',
  'checked-insecure plain-unsupported throws throws-on-the-way.package reads-environment',
  'no\\such${package}"\n caf\u00e9\u{1f600} ";builtins.abort"x :q',
].flatMap((line) => line.split(' '))

/** What no set can catch. */
const errors = ['aborts', 'recurses', 'mistyped', 'reads-secrets', 'imports', 'numbered']

const versions: readonly (readonly [
  name: string,
  directory: string | undefined,
  skip: string | false,
])[] = [
  ["the machine's Nix", undefined, skip],
  'skip' in newer
    ? ['a newer Nix', '', newer.skip]
    : [`Nix ${newer.version}`, newer.binDirectory, skip],
]

for (const [name, binDirectory, skipped] of versions) {
  suite(`WarmEvaluators with ${name}`, { skip: skipped }, () => {
    let scratch: Awaited<ReturnType<typeof makeScratchDirectory>>
    let set: PackageSet
    let nix: Nix
    const clock = createManualClock()
    let warm: WarmEvaluators

    before(async () => {
      scratch = await makeScratchDirectory()
      const directory = join(scratch.path, 'set')
      await mkdir(directory)
      set = await prepareAwkwardSet(directory)
      // The mark of this suite's processes.
      const home = join(scratch.path, 'home')
      await mkdir(home)
      nix = await openNix({
        ...(binDirectory !== undefined && { binDirectory }),
        inheritedEnvironment: { ...process.env, HOME: home },
      })
      warm = new WarmEvaluators(nix, join(scratch.path, 'warm'), clock)
    })
    after(async () => {
      await warm.close()
      await scratch[Symbol.asyncDispose]()
    })

    function ask(packages: readonly string[], options: { warm?: boolean; identity?: string } = {}) {
      const { warm: isWarm = true, identity = set.identity } = options
      const view = { set: { ...set, identity }, policy: strictPolicy, system }
      const limits = { evaluationTimeoutMs: 60_000, evaluationMemoryMiB: 512 }
      const query = new PackageSetQuery(nix, limits, view, signal, isWarm ? warm : undefined)
      return query.lookUp(packages, { catch: true })
    }

    const running = async () => {
      const found = await findProcesses(join(scratch.path, 'home'))
      return found.filter(({ commandLine }) => commandLine.includes('repl')).map(({ pid }) => pid)
    }

    test('say what a process of its own says, one by one and together', async () => {
      const together = await ask(names)
      assert.equal(together.kind, 'results')
      assert.deepEqual(together, await ask(names, { warm: false }))
      assert.equal((await running()).length, 1)
      const [pid] = await running()
      for (const one of names) {
        const answer = await ask([one])
        assert.ok(answer.kind === 'results', one)
        assert.deepEqual(answer.results, [together.results[names.indexOf(one)]], one)
      }
      assert.deepEqual(await running(), [pid])
    })

    test('leave errors to a process of its own, and go on', async () => {
      await ask(['tool'])
      const before = await running()
      for (const one of errors) {
        assert.deepEqual(await ask([one]), await ask([one], { warm: false }), one)
      }
      assert.deepEqual(await running(), before)
      assert.equal((await ask(['tool'])).kind, 'results')
      assert.deepEqual(await running(), before)
    })

    test('survive evaluators that are killed, or need too much memory', async () => {
      await ask(['tool'])
      const [first] = await running()
      process.kill(first!, 'SIGKILL')
      assert.equal((await ask(['tool'])).kind, 'results')
      assert.deepEqual(await ask(['devours']), await ask(['devours'], { warm: false }))
      assert.equal((await ask(['greeting'])).kind, 'results')
      const left = await running()
      assert.equal(left.length, 1)
      assert.notDeepEqual(left, [first])
    })

    test('are two at most, each for one state of a set, and end when they are idle', async () => {
      await ask(['tool'], { identity: 'one' })
      await ask(['tool'], { identity: 'two' })
      const both = await running()
      assert.equal(both.length, 2)
      await ask(['tool'], { identity: 'one' })
      assert.deepEqual(await running(), both)
      await ask(['tool'], { identity: 'three' })
      assert.equal((await running()).filter((pid) => both.includes(pid)).length, 1)
      clock.advance(10 * 60_000)
      await ask(['tool'], { identity: 'four' })
      assert.equal((await running()).length, 1)
    })

    test('do not make anybody wait who asks at the same time', async () => {
      const answers = await Promise.all([ask(['tool']), ask(['greeting']), ask(['tool'])])
      assert.deepEqual(answers[0], answers[2])
      assert.equal(answers[1].kind, 'results')
    })

    test('end with who asked, and when time is over', async () => {
      const others = await running()
      const own = new WarmEvaluators(nix, join(scratch.path, 'warm'))
      const view = { set, policy: strictPolicy, system }
      const limits = { evaluationTimeoutMs: 60_000, evaluationMemoryMiB: 512 }
      const controller = new AbortController()
      const query = new PackageSetQuery(nix, limits, view, controller.signal, own)
      const asked = query.lookUp(['loops'], { catch: true })
      setTimeout(() => controller.abort(new Error('nobody waits any more')), 300)
      await assert.rejects(asked, { message: 'nobody waits any more' })
      assert.deepEqual(await running(), others)

      const hasty = { ...limits, evaluationTimeoutMs: 300 }
      const late = new PackageSetQuery(nix, hasty, view, signal, own)
      assert.deepEqual(await late.lookUp(['loops'], { catch: true }), { kind: 'timed-out' })
      assert.deepEqual(await running(), others)
      await own.close()
    })

    test('leave nothing in the home directory', async () => {
      await ask(['tool'])
      const left = await readdir(join(scratch.path, 'home'), { recursive: true })
      assert.deepEqual(
        left.filter((path) => path.includes('repl') || path.includes('share')),
        [],
      )
    })

    test('rest when there is no evaluator to be had', async () => {
      const bin = join(scratch.path, `bin-${name.length}`)
      await mkdir(bin)
      await writeFile(join(bin, 'nix'), `#!/bin/sh\ntouch ${bin}/asked-$$\nexit 1\n`, {
        mode: 0o755,
      })
      const program = join(nix.installation.binDirectory, 'nix-store')
      await writeFile(join(bin, 'nix-store'), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 })
      const broken = await openNix({ binDirectory: bin, inheritedEnvironment: process.env })
      const none = new WarmEvaluators(broken, join(scratch.path, 'warm'), clock)
      const question = {
        identity: 'x',
        expression: '/x',
        view: {},
        options: [],
        settings: new Map<string, string>(),
        environment: new Map<string, string>(),
      }
      const tries = async () => (await readdir(bin)).filter((it) => it.startsWith('asked')).length
      for (let count = 0; count < 2; count += 1) {
        assert.equal(await none.ask(question, [], 60_000, signal), undefined)
      }
      assert.equal(await tries(), 1)
      clock.advance(60_000)
      await none.ask(question, [], 60_000, signal)
      assert.equal(await tries(), 2)
      await none.close()
    })
  })
}

test('quote() leaves nothing that a line of Nix could take for code', () => {
  const quoted = quote(['${x}', '"', '\\', '\n', '\u007f', '\u{1f600}', ':q'])
  assert.match(quoted, /^"(?:[ !#%-[\]-~]|\\\\|\\")*"$/)
  assert.equal(quote('$"'), String.raw`"\"\\u0024\\\"\""`)
})

test('unquote() reads what Nix prints', () => {
  assert.equal(unquote(String.raw`[\"a\\n\",\"\${b}\"]`), String.raw`["a\n","${'$'}{b}"]`)
  assert.equal(unquote(String.raw`\n\t\r\\n`), '\n\t\r\\n')
})
