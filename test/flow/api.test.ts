import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import {
  applyEvent,
  type BuildProgress,
  type BuildSummary,
  type RecordedEvent,
} from '#core/api/build-progress.ts'
import type { ImageOrder, PlacedOrder } from '#core/api/image-order.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import {
  findHangingBuilder,
  isWithoutNixCommands,
  makeSite,
  siteCommands,
  type RegistrySite,
} from '#test/anomaly/registry-site.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { startNixery, type NixeryServer } from '#test/clients/nixery-server.ts'
import { drainMs } from '../../src/serve.ts'

interface Message {
  readonly id: number
  readonly event: string
  readonly data: unknown
}

/** A client of one service's API. */
function clientOf(url: string) {
  const api = `${url}/api/v1`

  async function read<T>(path: string): Promise<T> {
    const response = await fetch(api + path)
    assert.equal(response.status, 200, path)
    return (await response.json()) as T
  }

  async function order(name: string): Promise<PlacedOrder> {
    const response = await fetch(`${api}/orders`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Origin: url },
      body: JSON.stringify({ name }),
    })
    assert.equal(response.status, 201)
    return (await response.json()) as PlacedOrder
  }

  const ended = (id: string) =>
    eventually('the end of the order', async () => {
      const now = await read<ImageOrder>(`/orders/${id}`)
      return now.status === 'waiting' ? undefined : now
    })

  /** Messages of a build until its end, or until there are enough. */
  async function follow(id: string, since?: number, most = Infinity, token?: string) {
    const response = await fetch(`${api}/builds/${id}/events`, {
      headers: {
        ...(since !== undefined && { 'Last-Event-ID': String(since) }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      },
    })
    assert.equal(response.status, 200)
    const messages: Message[] = []
    let text = ''
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const parts = (text + chunk).split('\n\n')
      text = parts.pop() ?? ''
      messages.push(...parts.filter((part) => !part.startsWith(':')).map(parseMessage))
      if (messages.length >= most) break
    }
    // What comes while nobody reads is read at once.
    return messages.slice(0, most)
  }

  /** What the registry says to a pull. */
  async function pull(name: string) {
    const response = await fetch(`${url}/v2/${name}/manifests/latest`)
    const digest = response.headers.get('docker-content-digest')
    const body = (await response.json()) as { errors?: { message: string }[] }
    return { status: response.status, digest, message: body.errors?.[0]?.message }
  }

  const readLog = (id: string, token?: string) =>
    fetch(`${api}/builds/${id}/log?follow=1`, {
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    })

  const cancel = (id: string, token: string) =>
    fetch(`${api}/orders/${id}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${token}` },
    })

  return { read, order, ended, follow, pull, readLog, cancel }
}

function parseMessage(text: string): Message {
  const [id, event, data] = text.split('\n').map((line) => line.replace(/^\w+: /, ''))
  return { id: Number(id), event: event!, data: JSON.parse(data!) as unknown }
}

suite('the API over the bundled set', { skip: skipUnless([...siteCommands, 'flock']) }, () => {
  let server: NixeryServer
  before(async () => {
    server = await startNixery()
  })
  after(() => server[Symbol.asyncDispose]())

  test('an order is one build with a pull, and can be followed with a break', async () => {
    const { order, follow, pull, read, ended } = clientOf(`http://${server.address}`)
    const { order: placed } = await order('jq')
    const pulled = pull('jq')
    const [build = ''] = placed.builds
    const first = await follow(build, undefined, 3)
    const rest = await follow(build, first.at(-1)!.id)
    assert.equal(first[0]?.event, 'progress')
    assert.equal(rest.at(-1)?.event, 'finished')
    const [start, ...events] = [...first, ...rest].map(({ data }) => data)
    const progress = (events as RecordedEvent[]).reduce(applyEvent, start as BuildProgress)
    assert.deepEqual(progress, await read<BuildProgress>(`/builds/${build}`))
    assert.ok(progress.layers.length > 2 && progress.layers.every(({ digest }) => digest))

    const { digest, status } = await pulled
    assert.deepEqual([status, digest], [200, progress.manifest])
    const { image, builds } = await ended(placed.id)
    assert.deepEqual([image?.digest, image?.cached, builds], [digest, false, [build]])
    const { builds: all } = await read<{ builds: BuildSummary[] }>('/builds')
    assert.deepEqual(
      all.map(({ id, name, status }) => [id, name, status]),
      [[build, 'jq', 'finished']],
    )

    const again = await order('jq')
    const now = await ended(again.order.id)
    assert.deepEqual([now.builds, now.image?.cached, now.image?.digest], [[], true, digest])
  })

  test('an order fails with the line of the registry, build id included', async () => {
    const { order, pull, ended } = clientOf(`http://${server.address}`)
    const { order: placed } = await order('no-such-package')
    const { status, message = '', builds } = await ended(placed.id)
    assert.equal(status, 'failed')
    assert.ok(message.includes(`(build ${builds[0]})`), message)
    assert.equal((await pull('no-such-package')).message, message)
  })
})

suite('the API over a set that fails and hangs', { skip: skipUnless(siteCommands) }, () => {
  let site: RegistrySite
  before(async () => {
    site = await makeSite()
  })
  after(() => site[Symbol.asyncDispose]())

  test('logs are for those who ordered, or for everybody', async () => {
    for (const web of ['status', 'full']) {
      await using service = await site.start({ environment: { NIXERY_WEB: web } })
      const { order, ended, pull, follow, read, readLog } = clientOf(service.url)
      const { order: placed, token } = await order('fails')
      const { message = '', builds } = await ended(placed.id)
      const [build = ''] = builds
      assert.match(message, /^fails-1\.0 failed to build: .* \(build [0-9a-f]{12}\)$/)
      // Who pulls is told what the builder said, and nobody else without its log.
      const pulled = await pull('fails')
      assert.match(pulled.message ?? '', /^fails-1\.0 failed to build: .*line 39/)
      const told = [
        message,
        ...(await read<{ builds: BuildSummary[] }>('/builds')).builds.map(({ message }) => message),
        (await read<BuildProgress>(`/builds/${build}`)).message,
        ...(await follow(build)).map(({ data }) => JSON.stringify(data)),
        ...(web === 'full' ? [] : await follow(build, 0)).map(({ data }) => JSON.stringify(data)),
      ]
      assert.ok(told.length >= 5 && told.every((text) => text?.includes('line 39') !== true))
      assert.ok(told.some((text) => text?.includes('failed to build') === true))

      const log = await readLog(build, token)
      assert.equal(log.status, 200)
      assert.match(await log.text(), /^fails-1\.0> line 0\n[^]*fails-1\.0> line 39\n$/)
      const strangers = await readLog(build)
      assert.equal(strangers.status, web === 'full' ? 200 : 401)
      await strangers.body?.cancel()
      const kinds = async (shown?: string) =>
        (await follow(build, 0, Infinity, shown)).map(({ event }) => event)
      assert.ok((await kinds(token)).includes('log'))
      assert.equal((await kinds()).includes('log'), web === 'full')
      assert.equal((await kinds()).at(-1), 'failed')
    }
  })

  test('only the token of an order cancels it, and its build ends at once', async () => {
    await using service = await site.start()
    const { order, cancel, read, follow } = clientOf(service.url)
    const [{ order: placed, token }, stranger] = [await order('hangs'), await order('greeting')]
    await eventually('the builder', () => findHangingBuilder(site))
    const wrong = await cancel(placed.id, stranger.token)
    assert.equal(wrong.status, 403)
    assert.equal((await read<ImageOrder>(`/orders/${placed.id}`)).status, 'waiting')
    // From its first event on, should the cancellation come first.
    const following = follow(placed.builds[0]!, 0)
    const right = await cancel(placed.id, token)
    assert.equal(((await right.json()) as ImageOrder).status, 'cancelled')
    const last = (await following).at(-1)
    assert.equal(last?.event, 'aborted')
    assert.match(JSON.stringify(last.data), /cancelled by whoever ordered it/)
    await eventually('the end of Nix', () => isWithoutNixCommands(site))
  })

  test('a stream ends with the service, which waits for nobody', async () => {
    await using service = await site.start()
    const { order, read } = clientOf(service.url)
    const { order: placed } = await order('hangs')
    await eventually('the builder', () => findHangingBuilder(site))
    const id = placed.builds[0]!
    const stream = await fetch(`${service.url}/api/v1/builds/${id}/events`)
    assert.equal((await read<BuildSummary>(`/builds/${id}`)).status, 'running')
    const startedMs = performance.now()
    const end = service.kill('SIGTERM')
    assert.match(await stream.text(), /: the service is shutting down\n\n$/)
    assert.deepEqual((await end).exitCode, 0)
    assert.ok(performance.now() - startedMs < drainMs)
    const failures = service.log.filter(({ msg }) => /order failed|request failed/.test(msg))
    assert.deepEqual(failures, [])
  })
})
