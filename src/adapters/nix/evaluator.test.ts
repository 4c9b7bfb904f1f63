import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { FoundPackage } from '#core/nix/package-outcome.ts'
import type { System } from '#core/nix/system.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { preparePrivateStores } from '#test/clients/private-store.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'

const { signal } = new AbortController()
const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const skip = skipUnless(['nix', 'nix-store', 'nix-daemon'], { root: true })

test(
  'Evaluator makes derivations again that a warm evaluator no longer holds',
  { skip },
  async () => {
    await using stores = await preparePrivateStores()
    await using store = await stores.open()
    const clock = createManualClock()
    const report = (error: unknown) => assert.fail(String(error))
    const builder = await store.open({ evaluationCache: { clock, report } })
    const entry = join(stores.directory, 'set')
    const set = { identity: stores.directory, fixed: true, entry, readablePaths: [entry] }
    const find = async (): Promise<FoundPackage> => {
      const packages = ['odd-name']
      const request = { set, policy: strictPolicy, system, packages, optionalPackages: [] }
      const [found] = await builder.evaluate(request, signal)
      assert.ok(found?.kind === 'found', JSON.stringify(found))
      return found
    }
    const first = await find()
    // As when the daemon that held them for the evaluator is started again.
    const root = store.settings.get('store')!.replace(/^.*root=/, '')
    const temporaryRoots = join(root, 'nix/var/nix/temproots')
    for (const name of await readdir(temporaryRoots)) await rm(join(temporaryRoots, name))
    await store.run('nix-store', ['--delete', first.derivation])

    const realise = async () =>
      builder.realise([await find()], await builder.lease(), () => {}, signal)
    // The first attempt may find out, the one after it must not.
    await realise()
    assert.deepEqual(await realise(), { kind: 'realised' })
  },
)
