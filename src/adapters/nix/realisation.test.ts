import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { storePathBaseName, storePathName, type StorePath } from '#core/nix/store-path.ts'
import type { RealiseProgress } from '#engine/ports/package-builder.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { preparePrivateStores } from '#test/clients/private-store.ts'

const skip = skipUnless(['nix', 'nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb'], {
  root: true,
})

type Name = 'tool' | 'trivial'

describe('realise()', { skip }, () => {
  // Whoever compresses store paths while others are realised relies on it.
  test('expects more builds than it was asked for before it downloads for a builder', async () => {
    await using stores = await preparePrivateStores()
    const at = (name: string) => join(stores.directory, name)
    const cache = at('cache')
    await using origin = await stores.open()
    const { tool, trivial } = origin.packages
    await origin.realise([tool, trivial])
    await origin.run('nix-store', ['--generate-binary-cache-key', 'own-1', at('key'), at('public')])
    const outputs = [tool, trivial].map((found) => found.outputs[0]!.path)
    const copy = ['copy', '--extra-experimental-features', 'nix-command', '--to']
    await origin.run('nix', [...copy, `file://${cache}?secret-key=${at('key')}`, ...outputs])
    const trustedKeys = [(await readFile(at('public'), 'utf8')).trim()]

    /** Downloads, each with the builds that were expected then beyond those that were asked for. */
    const downloads = async (wanted: readonly Name[], present: readonly Name[] = []) => {
      await using store = await stores.open()
      const caches = { substituters: [`file://${cache}`], trustedKeys }
      const builder = await store.open({ caches })
      const lease = await builder.lease()
      const signal = AbortSignal.timeout(120_000)
      const found = (names: readonly Name[]) => names.map((name) => store.packages[name])
      await builder.realise(found(present), lease, () => {}, signal)
      const seen: string[] = []
      let [askedFor, expected] = [Number.NaN, 0]
      const observe = (progress: RealiseProgress) => {
        if (progress.kind === 'begun') askedFor = progress.derivations
        if (progress.kind === 'totals') expected = Math.max(expected, progress.buildsExpected)
        if (progress.kind !== 'substitute-finished') return
        seen.push(`${storePathName(progress.path as StorePath)} ${expected > askedFor}`)
      }
      const outcome = await builder.realise(found(wanted), lease, observe, signal)
      assert.deepEqual(outcome, { kind: 'realised' })
      await lease.release()
      return seen.sort()
    }
    assert.deepEqual(await downloads(['tool']), ['greeting-1.0 false', 'tool-1.0 false'])
    // What is there is not asked for.
    assert.deepEqual(await downloads(['tool', 'trivial'], ['trivial']), ['tool-1.0 false'])
    await rm(join(cache, `${storePathBaseName(outputs[0]!).slice(0, 32)}.narinfo`))
    assert.deepEqual(await downloads(['tool']), ['greeting-1.0 true'])
  })
})
