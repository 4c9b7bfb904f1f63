import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatingError } from './operating-error.ts'
import { createImageOrders, type OrderBounds, type OrderTools } from './image-orders.ts'
import type { ManifestOutcome, ManifestRequest } from './serve-manifest.ts'
import { GivenUp } from './share-builds.ts'

interface Asked {
  readonly request: ManifestRequest
  readonly signal: AbortSignal
  readonly onBuild: (buildId: string) => void
  readonly end: (outcome: ManifestOutcome) => void
  readonly fail: (error: unknown) => void
}

function setUp(bounds?: OrderBounds) {
  const asked: Asked[] = []
  const faults: unknown[] = []
  let made = 0
  const tools: OrderTools = {
    manifest: (request, signal, onBuild) =>
      new Promise((end, fail) => {
        signal.addEventListener('abort', () => fail(signal.reason as Error))
        asked.push({ request, signal, onBuild, end, fail })
      }),
    near: async (name) => (name === 'misspelt' ? ['spelt'] : []),
    tokens: {
      make: () => {
        made += 1
        return { token: `token-${made}`, digest: `digest of token-${made}` }
      },
      matches: (token, digest) => digest === `digest of ${token}`,
    },
    newOrderId: () => `order-${made}`,
    nowMs: () => 7,
    onFault: (error) => faults.push(error),
  }
  const orders = createImageOrders(tools, bounds)
  const place = (name: string) => {
    const placement = orders.place({ name })
    assert.ok(placement.kind === 'placed')
    return placement
  }
  return { orders, place, asked, faults }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))
const pinned = { source: '', revision: 'r1', identity: 'r1', fixed: true }
const served = (digest: string): ManifestOutcome =>
  ({
    kind: 'image',
    image: { manifests: [{ mediaType: 'm', digest, size: 1 }], blobs: [] },
    cached: false,
    pinned,
  }) as unknown as ManifestOutcome
const lacking = (name: string): ManifestOutcome => ({
  kind: 'failed',
  buildId: 'b1',
  pinned,
  failure: {
    kind: 'packages',
    failures: [{ kind: 'not-found', package: name, nearNames: [] }],
  },
})

test('place() waits for the image of the name, and tells of its builds', async () => {
  const { orders, place, asked } = setUp()
  const { order, token } = place('shell/git')
  assert.deepEqual(order, {
    id: 'order-1',
    name: 'shell/git',
    tag: 'latest',
    placedAtMs: 7,
    status: 'waiting',
    builds: [],
  })
  assert.equal(token, 'token-1')
  assert.deepEqual(asked[0]?.request, { name: 'shell/git', tag: 'latest', acceptsIndex: true })
  const begun = orders.begun('order-1')
  for (const build of ['b1', 'b2', 'b1']) asked[0]?.onBuild(build)
  await begun
  assert.deepEqual(orders.find('order-1')?.builds, ['b1', 'b2'])
  asked[0]?.end(served('sha256:1'))
  await settle()
  const ended = orders.find('order-1')
  assert.equal(ended?.status, 'served')
  assert.deepEqual(ended.image, { digest: 'sha256:1', cached: false, revision: 'r1' })
})

test('place() ends with the line that the registry says', async () => {
  const cases: ReadonlyArray<readonly [string, ManifestOutcome, string]> = [
    ['x', { kind: 'invalid-name', message: 'no name' }, 'no name'],
    ['x', { kind: 'denied', message: 'not served' }, 'not served'],
    ['x', { kind: 'unknown-tag', message: 'no tag' }, 'no tag'],
    ['x', lacking('x'), 'no package is called x (build b1)'],
    [
      'misspelt',
      lacking('misspelt'),
      'no package is called misspelt (build b1); did you mean the image spelt?',
    ],
  ]
  for (const [name, outcome, message] of cases) {
    const { orders, place, asked } = setUp()
    place(name)
    asked[0]?.end(outcome)
    await orders.begun('order-1')
    const order = orders.find('order-1')
    assert.deepEqual([order?.status, order?.message], ['failed', message])
  }
})

test('place() tells onlookers nothing that a builder printed', async () => {
  const { orders, place, asked } = setUp()
  place('x')
  const failure = {
    kind: 'build-failed',
    name: 'x-1',
    message: 'its builder failed with exit code 1',
    logTail: ['the secret'],
  } as const
  asked[0]?.end({ kind: 'failed', buildId: 'b1', pinned, failure })
  await orders.begun('order-1')
  assert.equal(
    orders.find('order-1')?.message,
    'x-1 failed to build: its builder failed with exit code 1 (build b1)',
  )
})

test('place() hides faults from strangers and tells the operator', async () => {
  const cases: ReadonlyArray<readonly [unknown, RegExp, number]> = [
    [new Error('/secret'), /its log says why/, 1],
    [new OperatingError('NO_SPACE', '/secret'), /^NO_SPACE: /, 1],
    [new OperatingError('OVERLOADED', 'busy'), /^OVERLOADED: /, 0],
    [new OperatingError('SHUTTING_DOWN', 'over'), /^SHUTTING_DOWN: /, 0],
  ]
  for (const [error, message, count] of cases) {
    const { orders, place, asked, faults } = setUp()
    place('x')
    asked[0]?.fail(error)
    await orders.begun('order-1')
    const order = orders.find('order-1')
    assert.equal(order?.status, 'failed')
    assert.match(order.message ?? '', message)
    assert.equal(faults.length, count)
  }
})

test('cancel() needs the order’s own token, and gives its builds up', async () => {
  const { orders, place, asked, faults } = setUp()
  const first = place('x')
  const second = place('y')
  assert.equal(orders.cancel(first.order.id, second.token).kind, 'forbidden')
  assert.equal(orders.cancel('nobody’s', first.token).kind, 'unknown')
  assert.equal(asked[0]?.signal.aborted, false)
  const cancelled = orders.cancel(first.order.id, first.token)
  assert.ok(cancelled.kind === 'ended' && cancelled.order.status === 'cancelled')
  assert.ok(asked[0]?.signal.reason instanceof GivenUp)
  await settle()
  assert.equal(orders.find(first.order.id)?.status, 'cancelled')
  assert.equal(orders.find(second.order.id)?.status, 'waiting')
  assert.deepEqual(faults, [])
})

test('cancel() leaves what has ended as it is', async () => {
  const { orders, place, asked } = setUp()
  const { token } = place('x')
  asked[0]?.end(served('sha256:1'))
  await settle()
  const cancelled = orders.cancel('order-1', token)
  assert.ok(cancelled.kind === 'ended' && cancelled.order.status === 'served')
})

test('opensLog() is for builds of the order that the token is of', () => {
  const { orders, place, asked } = setUp()
  const tokens = [place('x').token, place('y').token]
  asked[0]?.onBuild('b1')
  asked[1]?.onBuild('b2')
  assert.deepEqual(
    ['b1', 'b2', 'b3'].map((build) => tokens.map((token) => orders.opensLog(build, token))),
    [
      [true, false],
      [false, true],
      [false, false],
    ],
  )
})

test('place() keeps within its bounds', async () => {
  const { orders, place, asked } = setUp({ waiting: 2, ended: 1 })
  place('a')
  place('b')
  assert.equal(orders.place({ name: 'c' }).kind, 'too-many')
  for (const { end } of asked) end(served('sha256:1'))
  await settle()
  assert.equal(orders.find('order-1'), undefined, 'the oldest ended one is dropped')
  assert.equal(orders.find('order-2')?.status, 'served')
  place('c')
})

test('place() forgets what ended first, whenever it was placed', async () => {
  const { orders, place, asked } = setUp({ waiting: 2, ended: 1 })
  place('slow')
  place('quick')
  const [slow, quick] = asked
  quick!.end(served('sha256:1'))
  await settle()
  slow!.end(served('sha256:2'))
  await settle()
  assert.equal(orders.find('order-1')?.status, 'served')
  assert.equal(orders.find('order-2'), undefined)
})
