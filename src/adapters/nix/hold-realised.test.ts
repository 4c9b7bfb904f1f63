import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

import { findProgram } from '#adapters/process/find-program.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import type { System } from '#core/nix/system.ts'
import type { PackageBuilder } from '#engine/ports/package-builder.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { findProcesses } from '#test/anomaly/find-processes.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { preparePrivateStores } from '#test/clients/private-store.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'

const { signal } = new AbortController()
const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const unexpected = () => assert.fail('Nix has nothing to do')
const skip = skipUnless(['nix-store', 'nix-daemon'], { root: true })

suite('what is realised already', { skip }, () => {
  let stores: Awaited<ReturnType<typeof preparePrivateStores>>
  let binDirectory: string

  before(async () => {
    stores = await preparePrivateStores()
    binDirectory = join(stores.directory, 'bin')
    await mkdir(binDirectory)
    for (const name of ['nix-store', 'nix-instantiate', 'nix-daemon']) {
      const program = await findProgram(name, process.env['PATH'] ?? '')
      const counter = `#!/bin/sh\necho "${name} $*" >> ${stores.directory}/calls\nexec ${program} "$@"\n`
      await writeFile(join(binDirectory, name), counter, { mode: 0o755 })
    }
  })
  after(() => stores[Symbol.asyncDispose]())

  /** What Nix was asked since the last question; questions to the store that stays are none. */
  async function commandsSince(): Promise<readonly string[]> {
    const path = join(stores.directory, 'calls')
    const text = await readFile(path, 'utf8').catch(() => '')
    await rm(path, { force: true })
    const words = text.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '))
    return words.filter((word) => word !== '' && !/ --(?:stdio|version)$/.test(word))
  }

  async function openStore() {
    const store = await stores.open()
    const evaluationCache = {
      clock: createManualClock(),
      directory: join(stores.directory, 'evaluations'),
      report: (error: unknown) => assert.fail(String(error)),
    }
    const open = () => store.open({ binDirectory, evaluationCache })
    return { store, open }
  }

  async function find(builder: PackageBuilder, name: string): Promise<FoundPackage> {
    const entry = join(stores.directory, 'set')
    const set = { identity: stores.directory, fixed: true, entry, readablePaths: [entry] }
    const [found] = await builder.evaluate(
      { set, policy: strictPolicy, system, packages: [name], optionalPackages: [] },
      signal,
    )
    assert.ok(found?.kind === 'found', JSON.stringify(found))
    return found
  }

  const pathOf = ({ outputs }: FoundPackage) => outputs[0]!.path

  test('is held in the lease, without a command', async () => {
    const { store, open } = await openStore()
    await using _ = store
    const { greeting, tool } = store.packages
    await store.realise([greeting, tool])
    const builder = await open()
    const lease = await builder.lease()
    await commandsSince()
    const outcome = await builder.realise([tool, greeting, tool], lease, unexpected, signal)
    assert.deepEqual(outcome, { kind: 'realised' })
    assert.deepEqual(await commandsSince(), [])
    const names = await readdir(lease.directory)
    const held = await Promise.all(names.map((name) => readlink(join(lease.directory, name))))
    assert.deepEqual(held.sort(), [greeting, tool].map(pathOf).sort())

    await builder.close()
    assert.equal(await store.holds(tool), true)
  })

  test('stays until its lease is released, whatever collects', async () => {
    const { store, open } = await openStore()
    await using _ = store
    const { greeting, tool } = store.packages
    await store.realise([greeting, tool])
    const first = await open()
    const lease = await first.lease()
    await first.realise([greeting], lease, unexpected, signal)
    // With its temporary roots gone, the lease is all that holds it.
    const holders = () => findProcesses(store.settings.get('store')!)
    for (const { pid } of await holders()) process.kill(pid, 'SIGKILL')
    const areGone = async () => ((await holders()).length === 0 ? true : undefined)
    await eventually('the end of who held it', areGone)
    await store.run('nix-store', ['--gc'])
    assert.deepEqual([await store.holds(greeting), await store.holds(tool)], [true, false])
    await lease.release()
    await first.close()
    await store.run('nix-store', ['--gc'])
    assert.equal(await store.holds(greeting), false)
  })

  test('needs no derivation any more, over restarts too', async () => {
    const { store, open } = await openStore()
    await using _ = store
    const builder = await open()
    const found = await find(builder, 'odd-name')
    const lease = await builder.lease()
    await builder.realise([found], lease, () => {}, signal)
    await store.run('nix-store', ['--gc', '--option', 'keep-derivations', 'false'])
    await commandsSince()

    const next = await open()
    for (const each of [builder, next]) {
      const again = await find(each, 'odd-name')
      assert.deepEqual(again, found)
      const other = await each.lease()
      assert.deepEqual(await each.realise([again], other, unexpected, signal), {
        kind: 'realised',
      })
      await other.release()
    }
    assert.deepEqual(await commandsSince(), [])

    await lease.release()
    await builder.close()
    await next.close()
    await store.run('nix-store', ['--delete', pathOf(found)])
    const last = await open()
    await commandsSince()
    const made = await find(last, 'odd-name')
    assert.deepEqual(await commandsSince(), ['nix-instantiate --eval'])
    assert.deepEqual(await last.realise([made], await last.lease(), () => {}, signal), {
      kind: 'realised',
    })
    assert.equal(await store.holds(made), true)
  })

  test('counts only when the derivation makes it', async () => {
    const { store, open } = await openStore()
    await using _ = store
    const builder = await open()
    const lease = await builder.lease()
    await commandsSince()
    for (let round = 0; round < 2; round += 1) {
      const steals = await find(builder, 'steals')
      const outcome = await builder.realise([steals], lease, () => {}, signal)
      assert.equal(outcome.kind, 'build-failed')
      assert.match(outcome.message, /which this derivation does not make/)
    }
    const commands = await commandsSince()
    const evaluations = commands.filter((command) => command.startsWith('nix-instantiate'))
    assert.equal(evaluations.length, 2, 'what is not proven is not remembered')
  })

  test('leaves only the rest to realise', async () => {
    const { store, open } = await openStore()
    await using _ = store
    const { greeting, tool } = store.packages
    await store.realise([greeting])
    const builder = await open()
    await commandsSince()
    const built: string[] = []
    const outcome = await builder.realise(
      [greeting, tool],
      await builder.lease(),
      (it) => void (it.kind === 'build-started' && built.push(it.name)),
      signal,
    )
    assert.deepEqual(outcome, { kind: 'realised' })
    assert.deepEqual(built, ['tool-1.0'])
    assert.deepEqual(await commandsSince(), ['nix-store --realise'])
  })
})
