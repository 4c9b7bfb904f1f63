import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { systemClock } from '#adapters/time/system-clock.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { serveBinaryCache } from '#test/clients/binary-cache.ts'
import { preparePrivateStores, type PrivateStore } from '#test/clients/private-store.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import type { PushEvent } from './push-queue.ts'

const skip = skipUnless(['nix', 'nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb'], {
  root: true,
})

describe('realise() with push-back', { skip }, () => {
  let stores: Awaited<ReturnType<typeof preparePrivateStores>>
  before(async () => {
    stores = await preparePrivateStores()
  })
  after(() => stores[Symbol.asyncDispose]())

  /** Builds a package, waits until it is pushed or not, and tells what happened. */
  async function buildAndPush(
    store: PrivateStore,
    to: string,
    { netrcFile }: { readonly netrcFile?: string } = {},
  ): Promise<PushEvent> {
    const { promise, resolve } = Promise.withResolvers<PushEvent>()
    const { outcome } = await store.realise([store.packages.tool], {
      caches: { substituters: [], trustedKeys: [], ...(netrcFile && { netrcFile }) },
      pushBack: { to, clock: systemClock, report: resolve },
    })
    assert.equal(outcome.kind, 'realised')
    return promise
  }

  test('fills a directory, signed, for another machine to download from', async () => {
    const [secret, published] = ['secret', 'public'].map((name) => join(stores.directory, name))
    const address = `file://${join(stores.directory, 'cache')}`
    await using store = await stores.open()
    await store.run('nix-store', ['--generate-binary-cache-key', 'own-1', secret!, published!])
    const event = await buildAndPush(store, `${address}?secret-key=${secret}`)
    const [output] = store.packages.tool.outputs
    assert.deepEqual(event, { kind: 'pushed', paths: [output?.path] })

    await using other = await stores.open()
    const trustedKeys = [(await readFile(published!, 'utf8')).trim()]
    const options = { caches: { substituters: [address], trustedKeys }, substituteOnly: true }
    const { outcome, built } = await other.realise([other.packages.tool], options)
    assert.deepEqual([outcome, built], [{ kind: 'realised' }, []])
  })

  test('fills a cache over http that asks for credentials', async () => {
    const directory = join(stores.directory, 'uploaded')
    await using cache = await serveBinaryCache(directory, { credentials: 'me:secret' })
    await using store = await stores.open()
    const netrcFile = join(stores.directory, 'netrc')
    await writeFile(netrcFile, 'machine 127.0.0.1 login me password secret\n')
    const event = await buildAndPush(store, cache.url, { netrcFile })
    assert.equal(event.kind, 'pushed', JSON.stringify(event))
    assert.equal(cache.requests.filter((it) => /^PUT \/nar\/\S+ 201$/.test(it)).length, 2)
    assert.equal(cache.requests.filter((it) => /^PUT \/\w+\.narinfo 201$/.test(it)).length, 2)
  })

  test('fails no build, tries again, and tells no secret', async () => {
    const clock = createManualClock()
    const events: PushEvent[] = []
    await using store = await stores.open()
    const { outcome } = await store.realise([store.packages.tool], {
      pushBack: {
        to: 'http://me:hidden@127.0.0.1:9?token=hidden',
        clock,
        report: (event) => events.push(event),
      },
    })
    assert.equal(outcome.kind, 'realised')
    // Three times nix copy, each with attempts of its own.
    const looking = () => {
      clock.advance(60_000)
      return events[0]
    }
    const event = await eventually('the end of the last attempt', looking, 120_000)
    assert.ok(event.kind === 'push-failed')
    assert.equal(event.attempts, 3)
    assert.match(event.message, /'http:\/\/127\.0\.0\.1:9\/nix-cache-info'/)
  })
})
