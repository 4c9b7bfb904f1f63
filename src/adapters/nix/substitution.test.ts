import assert from 'node:assert/strict'
import { copyFile, cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { storePathBaseName } from '#core/nix/store-path.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { serveBinaryCache } from '#test/clients/binary-cache.ts'
import { preparePrivateStores, type PrivateStore } from '#test/clients/private-store.ts'

const skip = skipUnless(['bash', 'nix', 'nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb'], {
  root: true,
})

describe('realise() with binary caches', { skip }, () => {
  let stores: Awaited<ReturnType<typeof preparePrivateStores>>
  /** Holds tool and trivial with their closures, signed. */
  let cacheDirectory: string
  let trustedKeys: readonly string[]

  before(async () => {
    stores = await preparePrivateStores()
    cacheDirectory = join(stores.directory, 'cache')
    const [secret, published] = ['secret', 'public'].map((name) => join(stores.directory, name))
    await using origin = await stores.open()
    const { tool, trivial } = origin.packages
    assert.equal((await origin.realise([tool, trivial])).outcome.kind, 'realised')
    await origin.run('nix-store', ['--generate-binary-cache-key', 'own-1', secret!, published!])
    trustedKeys = [(await readFile(published!, 'utf8')).trim()]
    await copyTo(origin, `file://${cacheDirectory}?secret-key=${secret}`)
  })
  after(() => stores[Symbol.asyncDispose]())

  async function copyTo(store: PrivateStore, address: string): Promise<void> {
    const { tool, trivial } = store.packages
    const paths = [tool, trivial].flatMap(({ outputs }) => outputs.map(({ path }) => path))
    const experimental = ['--extra-experimental-features', 'nix-command']
    await store.run('nix', ['copy', ...experimental, '--to', address, ...paths])
  }

  /** Options of a builder that trusts the cache at an address. */
  const from = (address: string) => ({ caches: { substituters: [address], trustedKeys } })
  const only = (address: string) => ({ ...from(address), substituteOnly: true })
  const realised = { outcome: { kind: 'realised' }, built: [] }

  test('downloads from a directory', async () => {
    await using store = await stores.open()
    const { tool } = store.packages
    assert.deepEqual(await store.realise([tool], only(`file://${cacheDirectory}`)), realised)
    assert.ok(await store.holds(tool))
  })

  test('downloads over http, even what Nix would rather make itself', async () => {
    await using cache = await serveBinaryCache(cacheDirectory)
    await using store = await stores.open()
    const { tool, trivial } = store.packages
    assert.deepEqual(await store.realise([tool, trivial], only(cache.url)), realised)
    // Nix has all bytes a moment before the server knows that they are sent.
    await eventually('three downloads', () => {
      const downloads = cache.requests.filter((it) => /^GET \/nar\/\S+ 200$/.test(it))
      return downloads.length === 3 ? true : undefined
    })
  })

  test('downloads in the normal mode too', async () => {
    await using cache = await serveBinaryCache(cacheDirectory)
    await using store = await stores.open()
    assert.deepEqual(await store.realise([store.packages.tool], from(cache.url)), realised)
  })

  test('names what no cache has, and downloads nothing for it', async () => {
    await using store = await stores.open()
    const { greeting, tool, trivial, remote } = store.packages
    const holed = await copyCache('holed')
    await rm(join(holed, narinfoName(greeting)))
    await using cache = await serveBinaryCache(holed)
    const { outcome, built } = await store.realise([tool, trivial, remote], only(cache.url))
    assert.ok(outcome.kind === 'not-substitutable')
    assert.deepEqual(outcome.missing.toSorted(), ['greeting-1.0', 'remote-1.0'])
    assert.deepEqual([outcome.total, built], [2, []])
    assert.ok(!cache.requests.some((it) => it.startsWith('GET /nar/')))
    // As soon as somebody adds it, it is found.
    await copyFile(join(cacheDirectory, narinfoName(greeting)), join(holed, narinfoName(greeting)))
    assert.deepEqual(await store.realise([tool], only(cache.url)), realised)
  })

  test('derivations that were collected as garbage are no failure of their packages', async () => {
    for (const mode of [{}, only(`file://${cacheDirectory}`), from('http://127.0.0.1:9')]) {
      await using store = await stores.open()
      const { tool, trivial, fails } = store.packages
      assert.notEqual((await store.realise([fails], mode)).outcome.kind, 'derivations-gone')
      await store.run('nix-store', ['--delete', tool.derivation])
      const { outcome, built } = await store.realise([trivial, tool], mode)
      assert.deepEqual(outcome, { kind: 'derivations-gone' })
      assert.ok(!built.includes('tool-1.0'))
    }
  })

  test('what is in the store needs no cache', async () => {
    await using store = await stores.open()
    const { tool } = store.packages
    assert.deepEqual((await store.realise([tool])).built, ['greeting-1.0', 'tool-1.0'])
    assert.deepEqual(await store.realise([tool], { substituteOnly: true }), realised)
  })

  test('an output that the derivation does not make is refused before anything is asked', async () => {
    await using cache = await serveBinaryCache(cacheDirectory)
    await using store = await stores.open()
    const { outcome } = await store.realise([store.packages.steals], only(cache.url))
    assert.ok(outcome.kind === 'build-failed')
    assert.match(outcome.message, /-tools, which this derivation does not make/)
    assert.deepEqual(cache.requests, [])
  })

  describe('a cache that is down', () => {
    const nobody = 'http://me:hidden@127.0.0.1:9'

    test('is done without where packages may be built', async () => {
      await using store = await stores.open()
      const { outcome, built } = await store.realise([store.packages.tool], from(nobody))
      assert.deepEqual(outcome, { kind: 'realised' })
      assert.deepEqual(built, ['greeting-1.0', 'tool-1.0'])
    })

    test('does not count where another one has everything', async () => {
      await using store = await stores.open()
      const options = {
        caches: { substituters: [nobody, `file://${cacheDirectory}`], trustedKeys },
        substituteOnly: true,
      }
      assert.deepEqual(await store.realise([store.packages.tool], options), realised)
    })

    test('is named, without its password, where nothing may be built', async () => {
      await using store = await stores.open()
      await assert.rejects(store.realise([store.packages.tool], only(nobody)), {
        code: 'CACHE_UNAVAILABLE',
        message: /^unable to download 'http:\/\/127\.0\.0\.1:9\/nix-cache-info'/,
      })
    })

    test('is treated alike when it answered before', async () => {
      await using cache = await serveBinaryCache(cacheDirectory)
      await using store = await stores.open()
      const { greeting, tool, trivial } = store.packages
      assert.deepEqual(await store.realise([greeting], only(cache.url)), realised)
      cache.failure = 500
      await assert.rejects(store.realise([tool], only(cache.url)), {
        code: 'CACHE_UNAVAILABLE',
        message: /HTTP error 500/,
      })
      const substituters = [cache.url, `file://${cacheDirectory}`]
      const both = { caches: { substituters, trustedKeys }, substituteOnly: true }
      assert.deepEqual(await store.realise([trivial], both), realised)
      const { outcome, built } = await store.realise([tool], from(cache.url))
      assert.deepEqual([outcome.kind, built], ['realised', ['tool-1.0']])
    })

    test('is not what a builder fails for', async () => {
      await using store = await stores.open()
      const { outcome } = await store.realise([store.packages.fails], from(nobody))
      assert.ok(outcome.kind === 'build-failed')
      assert.match(outcome.message, /failed with exit code 3/)
    })
  })

  test('a cache that lost files is named', async () => {
    await using store = await stores.open()
    const damaged = await copyCache('damaged')
    await rm(join(damaged, 'nar'), { recursive: true })
    await using cache = await serveBinaryCache(damaged)
    const { tool } = store.packages
    await assert.rejects(store.realise([tool], only(cache.url)), {
      code: 'CACHE_UNAVAILABLE',
      message: /nar\.xz/,
    })
    const { outcome, built } = await store.realise([tool], from(cache.url))
    assert.deepEqual([outcome.kind, built], ['realised', ['greeting-1.0', 'tool-1.0']])
  })

  test('nothing comes from a cache whose key is not trusted', async () => {
    await using store = await stores.open()
    const { tool } = store.packages
    const untrusted = { caches: { substituters: [`file://${cacheDirectory}`], trustedKeys: [] } }
    await assert.rejects(store.realise([tool], { ...untrusted, substituteOnly: true }), {
      code: 'CACHE_UNTRUSTED',
      message: /not signed by any of the keys/,
    })
    const { outcome, built } = await store.realise([tool], untrusted)
    assert.deepEqual([outcome.kind, built], ['realised', ['greeting-1.0', 'tool-1.0']])
  })

  test('a cache may ask for credentials', async () => {
    await using cache = await serveBinaryCache(cacheDirectory, { credentials: 'me:secret' })
    await using store = await stores.open()
    const { tool } = store.packages
    await assert.rejects(store.realise([tool], only(cache.url)), { code: 'CACHE_UNAVAILABLE' })
    const netrcFile = join(stores.directory, 'netrc')
    await writeFile(netrcFile, 'machine 127.0.0.1 login me password secret\n')
    const { caches } = from(cache.url)
    const options = { caches: { ...caches, netrcFile }, substituteOnly: true }
    assert.deepEqual(await store.realise([tool], options), realised)
  })

  test('builders of other machines build where this one does not', async () => {
    await using here = await stores.open()
    await using there = await stores.open()
    const { greeting } = here.packages
    assert.equal((await here.realise([greeting], { maxJobs: 0 })).outcome.kind, 'build-failed')
    // For this name Nix starts the remote side without ssh, and with its own settings.
    const program = join(stores.directory, 'remote-nix')
    const config = `NIX_CONFIG='build-users-group ='`
    await writeFile(program, `#!/bin/sh\n${config} exec nix-store "$@"\n`, { mode: 0o755 })
    const remote = new URLSearchParams({
      'remote-program': program,
      'remote-store': there.settings.get('store') ?? '',
    })
    const builders = `ssh://localhost?${remote.toString()} - - 1 1`
    const { outcome } = await here.realise([greeting], { maxJobs: 0, builders })
    assert.deepEqual(outcome, { kind: 'realised' })
    assert.deepEqual([await here.holds(greeting), await there.holds(greeting)], [true, true])
  })

  async function copyCache(name: string): Promise<string> {
    const copy = join(stores.directory, name)
    await cp(cacheDirectory, copy, { recursive: true })
    return copy
  }
})

function narinfoName({ outputs }: FoundPackage): string {
  return `${storePathBaseName(outputs[0]!.path).slice(0, 32)}.narinfo`
}
