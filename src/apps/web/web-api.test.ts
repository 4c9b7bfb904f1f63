import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { z } from 'zod'
import type { PlacedOrder } from '#core/api/image-order.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { RealiseProgress } from '#engine/ports/package-builder.ts'
import { startWeb, subject, type Answer } from '#test/fakes/web-server.ts'
import { apiRoutes } from './web-api.ts'

const build = 'abcdef012345'
const other = 'abcdef012346'
const json = { 'Content-Type': 'application/json' }
const derivation = `/nix/store/${'b'.repeat(32)}-git-2.39.drv`
const layer = { layer: 0, digest: 'sha256:1', sizeBytes: 3 }

const steps: readonly RealiseProgress[] = [
  { kind: 'build-started', derivation, name: 'git-2.39' },
  { kind: 'build-log', derivation, line: 'hello' },
  { kind: 'build-finished', derivation, name: 'git-2.39' },
  { kind: 'substitute-started', path: derivation, from: 'https://cache.example' },
  { kind: 'substitute-finished', path: derivation },
  {
    kind: 'totals',
    buildsDone: 1,
    buildsExpected: 1,
    downloadedBytes: 0,
    downloadExpectedBytes: 0,
  },
]

type Web = Awaited<ReturnType<typeof startWeb>>

/** A build that runs through every kind of event. */
function runBuild(web: Web, id = build): void {
  web.builds.observe(id, { kind: 'queued', ...subject })
  runQueued(web, id)
}

function runQueued({ builds }: Web, id: string): void {
  builds.observe(id, { kind: 'started', ...subject })
  builds.observe(id, { kind: 'evaluated', derivations: 1 })
  for (const progress of steps) builds.observe(id, { kind: 'realising', progress })
  builds.observe(id, { kind: 'planned', layers: [{ storePaths: [], narSizeBytes: 7 }] })
  builds.observe(id, { kind: 'layer-progress', layer: 0, archivedBytes: 5 })
  builds.observe(id, { kind: 'layer-packed', ...layer, archiveSizeBytes: 9 })
  builds.observe(id, { kind: 'layer-reused', ...layer })
  builds.observe(id, { kind: 'finished', manifest: 'sha256:2', sizeBytes: 5 })
}

async function order({ send, waiting }: Web, name: string, builds: readonly string[] = [build]) {
  const placing = send('POST', '/api/v1/orders', json, JSON.stringify({ name }))
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
  for (const id of builds) waiting[0]?.onBuild(id)
  const answer = await placing
  assert.equal(answer.status, 201, answer.body)
  return { ...(JSON.parse(answer.body) as PlacedOrder), answer }
}

interface Document {
  readonly paths: Readonly<
    Record<string, Record<string, { responses: Record<string, { content?: unknown }> }>>
  >
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

/** A schema of the document that clients read, which also takes nothing that it does not name. */
function schemaOf({ components }: Document, name: string) {
  const text = JSON.stringify({ $defs: components.schemas, $ref: `#/$defs/${name}` })
  const closed = text
    .replaceAll('#/components/schemas/', '#/$defs/')
    .replaceAll('"type":"object"', '"type":"object","additionalProperties":false')
  return z.fromJSONSchema(JSON.parse(closed) as z.core.JSONSchema.JSONSchema)
}

test('the OpenAPI document is one, and lets answers say more later', async (context) => {
  const { send } = await startWeb(context)
  const { body } = await send('GET', '/api/v1/openapi.json')
  const { errors } = await new Validator().validate(JSON.parse(body) as Record<string, unknown>)
  assert.equal(errors, undefined)
  const { OrderRequest, ...others } = (JSON.parse(body) as Document).components.schemas
  assert.match(JSON.stringify(OrderRequest), /"additionalProperties":false/)
  assert.doesNotMatch(JSON.stringify(others), /"additionalProperties":false/)
})

test('every answer is what the OpenAPI document says', async (context) => {
  const platforms = ['linux/amd64']
  const git = { name: 'git', attributePath: 'git', version: '2', description: 'd', platforms }
  const web = await startWeb(context, {
    web: 'full',
    services: {
      search: {
        search: async () => ({
          kind: 'found',
          packages: [git],
          near: [git],
          platforms: git.platforms,
          revision: 'r1',
        }),
      },
      views: {
        view: async ({ name, tag }) => ({
          kind: 'viewed',
          view: {
            name,
            tag,
            digest: 'sha256:1',
            platform: 'linux/amd64',
            platforms: ['linux/amd64'],
            revision: 'r1',
            sizeBytes: 3,
            sharing: 'known',
            layers: [
              { digest: 'sha256:1', sizeBytes: 3, paths: [0], sharedWith: ['a'], sharedCount: 1 },
            ],
            closure: [{ path: 'x', narSizeBytes: 3, references: [] }],
          },
        }),
        viewAddition: async ({ name }) => ({ kind: 'viewed', view: { name, status: 'unknown' } }),
      },
    },
  })
  const { send } = web
  runBuild(web)
  const { order: placed, token, answer: placing } = await order(web, 'git')
  const document = JSON.parse((await send('GET', '/api/v1/openapi.json')).body) as Document

  const check = (answer: Answer, schema: string) => {
    const parsed = schemaOf(document, schema).safeParse(JSON.parse(answer.body))
    assert.ok(parsed.success, `${schema}: ${parsed.error?.message}\n${answer.body}`)
  }
  const asked: Readonly<Record<string, () => Promise<Answer>>> = {
    'GET /openapi.json': () => send('GET', '/api/v1/openapi.json'),
    'GET /service': () => send('GET', '/api/v1/service'),
    'GET /packages': () => send('GET', '/api/v1/packages?q=git'),
    'GET /image': () => send('GET', '/api/v1/image?name=git'),
    'GET /image/addition': () => send('GET', '/api/v1/image/addition?name=git&add=jq'),
    'GET /builds': () => send('GET', '/api/v1/builds'),
    'GET /builds/{id}': () => send('GET', `/api/v1/builds/${build}`),
    'GET /builds/{id}/events': () => send('GET', `/api/v1/builds/${build}/events`),
    'GET /builds/{id}/log': () => send('GET', `/api/v1/builds/${build}/log`),
    'POST /orders': async () => placing,
    'GET /orders/{id}': () => send('GET', `/api/v1/orders/${placed.id}`),
    'DELETE /orders/{id}': () =>
      send('DELETE', `/api/v1/orders/${placed.id}`, { Authorization: `Bearer ${token}` }),
  }
  assert.deepEqual(
    apiRoutes.map(({ method, path }) => `${method} ${path}`).toSorted(),
    Object.keys(asked).toSorted(),
  )
  for (const route of apiRoutes) {
    const answer = await asked[`${route.method} ${route.path}`]!()
    const documented =
      document.paths[`/api/v1${route.path}`]?.[route.method.toLowerCase()]?.responses
    assert.ok(documented?.[answer.status] !== undefined, `${route.path}: ${answer.status}`)
    const { schema, contentType = 'application/json' } = route.answers[answer.status]!
    assert.equal(answer.headers['content-type'], contentType)
    if (schema !== undefined) check(answer, schema)
  }
  const events = await send('GET', `/api/v1/builds/${build}/events`, { 'Last-Event-ID': '0' })
  const data = events.body.split('\n').filter((line) => line.startsWith('data: '))
  assert.ok(data.length > 10)
  for (const line of data) check({ ...events, body: line.slice('data: '.length) }, 'RecordedEvent')
  check(await send('GET', '/api/v1/builds/000000000000'), 'Problem')
})

test('refusals are problems that say what to do', async (context) => {
  const web = await startWeb(context)
  runBuild(web)
  const { order: placed } = await order(web, 'git')
  const cases: ReadonlyArray<readonly [string, string, number, RegExp]> = [
    ['GET', '/api', 404, /openapi\.json/],
    ['GET', '/api/v2/builds', 404, /no such path/],
    ['GET', '/api/v1/builds/../builds', 404, /no such path/],
    ['GET', '/api/v1/packages', 404, /no such path/],
    ['GET', '/api/v1/image?name=git', 404, /no such path/],
    ['GET', '/api/v1/builds/000000000000', 404, /no build 000000000000/],
    ['GET', '/api/v1/builds/000000000000/events', 404, /no build/],
    ['GET', '/api/v1/orders/999999999999', 404, /no order/],
    ['GET', '/api/v1/builds?limit=0', 400, /limit in the query/],
    ['GET', `/api/v1/builds/${build}/log?follow=x`, 400, /follow in the query/],
    ['GET', `/api/v1/builds/${build}/log`, 401, /token of the order/],
    ['PUT', '/api/v1/builds', 405, /takes GET, HEAD/],
    ['DELETE', '/api/v1/orders', 405, /takes POST/],
    ['POST', `/api/v1/orders/${placed.id}`, 405, /takes GET, HEAD, DELETE/],
    ['DELETE', `/api/v1/orders/${placed.id}`, 401, /token/],
  ]
  for (const [method, path, status, detail] of cases) {
    const { body, headers, ...answer } = await web.send(method, path)
    assert.equal(answer.status, status, `${method} ${path}: ${body}`)
    assert.equal(headers['content-type'], 'application/problem+json')
    const problem = JSON.parse(body) as { status: number; detail: string }
    assert.equal(problem.status, status)
    assert.match(problem.detail, detail)
    if (status === 405) assert.match(`takes ${headers.allow}`, detail)
    if (status === 401) assert.equal(headers['www-authenticate'], 'Bearer')
  }
  assert.deepEqual(web.failures, [])
})

test('what a client sent comes back in one line that a terminal only shows', async (context) => {
  const web = await startWeb(context, {
    services: { search: { search: () => assert.fail('there is no such source') } },
  })
  const hostile = encodeURIComponent('x\r\nSet-Cookie: y\u001b[2J\u009b2J\u2028\u202e\u200b')
  for (const source of [hostile, 'x'.repeat(20_000)]) {
    const answer = await web.send('GET', `/api/v1/packages?source=${source}`)
    assert.equal(answer.status, 404)
    assert.equal(answer.headers['set-cookie'], undefined)
    const { detail } = JSON.parse(answer.body) as { detail: string }
    assert.match(detail, /^no package source is called x[^\p{Cc}\p{Cf}\p{Zl}]{1,1100}$/u)
  }
})

test('an order is refused when the service ends, and one that is left has no status', async (context) => {
  const web = await startWeb(context)
  const leaving = connect(web.port, '127.0.0.1')
  leaving.write('POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n')
  leaving.write('Content-Type: application/json\r\n\r\n{"na')
  leaving.end()
  while (web.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([web.requests[0]?.status, web.requests[0]?.complete], [499, false])
  web.ending.abort(new OperatingError('SHUTTING_DOWN', 'over'))
  const answer = await web.send('POST', '/api/v1/orders', json, '{"name":"git"}')
  assert.equal(answer.status, 503)
  assert.ok(Number(answer.headers['retry-after']) > 0)
  assert.match(answer.body, /SHUTTING_DOWN/)
  assert.deepEqual([web.waiting, web.failures], [[], []])
})

test('HEAD tells what GET would send', async (context) => {
  const web = await startWeb(context, { web: 'full' })
  runBuild(web)
  for (const path of [
    'builds',
    `builds/${build}`,
    `builds/${build}/events`,
    `builds/${build}/log`,
  ]) {
    const get = await web.send('GET', `/api/v1/${path}`)
    const head = await web.send('HEAD', `/api/v1/${path}`)
    assert.deepEqual([head.status, head.body], [200, ''])
    assert.equal(head.headers['content-type'], get.headers['content-type'])
    assert.equal(head.headers['content-length'], get.headers['content-length'])
  }
})

test('orders are read strictly', async (context) => {
  const web = await startWeb(context)
  const cases: ReadonlyArray<readonly [string, number, RegExp, Record<string, string>?]> = [
    ['{"name":"git"}', 415, /application\/json/, { 'Content-Type': 'text/plain' }],
    ['{"name":"git"}', 415, /application\/json/, { 'Content-Type': 'application/jsonp' }],
    ['{"name":"git"', 400, /JSON object/],
    ['"git"', 400, /JSON object/],
    ['{"name":"git","platform":"x"}', 400, /JSON object/],
    ['{"tag":"latest"}', 400, /with a name/],
    ['{"name":"Git"}', 400, /name/],
    ['{"name":""}', 400, /name/],
    ['{"name":"../x"}', 400, /name/],
    [String.raw`{"name":"\ud800"}`, 400, /whole characters/],
    [String.raw`{"name":"git","tag":"\udc00"}`, 400, /whole characters/],
    ['{"name":"git","tag":"a/b"}', 400, /./],
    [`{"name":"git","tag":"sha256:${'0'.repeat(64)}"}`, 400, /no digest/],
    [JSON.stringify({ name: 'g'.repeat(5000) }), 413, /at most 4096 bytes/],
    ['{"name":"git"}', 403, /another site/, { ...json, Origin: 'http://evil.example' }],
    ['{"name":"git"}', 403, /another site/, { ...json, 'Sec-Fetch-Site': 'cross-site' }],
  ]
  for (const [body, status, detail, headers = json] of cases) {
    const answer = await web.send('POST', '/api/v1/orders', headers, body)
    assert.equal(answer.status, status, `${body}: ${answer.body}`)
    assert.match(answer.body, detail)
  }
  assert.equal(web.waiting.length, 0)
})

test('an order answers with its first build, and its token alone cancels it', async (context) => {
  const web = await startWeb(context)
  const { order: placed, token, answer } = await order(web, 'shell/git', [build, other])
  assert.deepEqual(placed.builds, [build, other])
  assert.equal(answer.headers.location, `/api/v1/orders/${placed.id}`)
  assert.equal(answer.headers['access-control-allow-origin'], undefined)
  const path = `/api/v1/orders/${placed.id}`
  const wrong = await web.send('DELETE', path, { Authorization: 'Bearer wrong' })
  assert.equal(wrong.status, 403)
  const foreign = { Authorization: `Bearer ${token}`, Origin: 'https://evil.example' }
  assert.equal((await web.send('DELETE', path, foreign)).status, 403)
  assert.match((await web.send('GET', path)).body, /"waiting"/)
  const right = await web.send('DELETE', path, { Authorization: `Bearer ${token}` })
  assert.equal(right.status, 200)
  assert.match(right.body, /"cancelled"/)
  for (const { path, reason } of web.requests) assert.ok(!`${path}${reason}`.includes(token))
})

test('an order that takes long is answered without a build', async (context) => {
  const { send, waiting, clock } = await startWeb(context)
  const placing = send('POST', '/api/v1/orders', json, '{"name":"git"}')
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
  clock.advance(10_000)
  const { order: placed } = JSON.parse((await placing).body) as PlacedOrder
  assert.deepEqual([placed.status, placed.builds], ['waiting', []])
})

test('too many orders are sent away for a while', async (context) => {
  const { send, waiting, clock } = await startWeb(context)
  const placing: Promise<Answer>[] = []
  for (let count = 0; count < 33; count += 1)
    placing.push(send('POST', '/api/v1/orders', json, '{"name":"git"}'))
  while (waiting.length < 32) await new Promise((resolve) => setImmediate(resolve))
  const refused = await Promise.race(placing)
  assert.equal(refused.status, 503)
  assert.ok(Number(refused.headers['retry-after']) > 0)
  clock.advance(10_000)
  await Promise.all(placing)
})

test('logs are for those who ordered the build', async (context) => {
  const web = await startWeb(context)
  const { token } = await order(web, 'git')
  runBuild(web)
  runBuild(web, other)
  const headers = { Authorization: `Bearer ${token}` }
  assert.equal((await web.send('GET', `/api/v1/builds/${build}/log`)).status, 401)
  assert.equal((await web.send('GET', `/api/v1/builds/${other}/log`, headers)).status, 403)
  const log = await web.send('GET', `/api/v1/builds/${build}/log`, headers)
  assert.deepEqual([log.status, log.body], [200, 'git-2.39> hello\n'])
  const from0 = { 'Last-Event-ID': '0' }
  const hidden = await web.send('GET', `/api/v1/builds/${build}/events`, from0)
  assert.ok(!hidden.body.includes('hello') && hidden.body.includes('event: finished'))
  const shown = await web.send('GET', `/api/v1/builds/${build}/events`, { ...from0, ...headers })
  assert.ok(shown.body.includes('hello'))
})

test('events end with the build, and a client that has all of them need not come back', async (context) => {
  const web = await startWeb(context)
  web.builds.observe(build, { kind: 'queued', ...subject })
  const response = await web.open('GET', `/api/v1/builds/${build}/events`)
  assert.equal(response.headers['content-type'], 'text/event-stream')
  let text = ''
  response.on('data', (chunk: Buffer) => (text += chunk.toString()))
  while (!text.includes('event: progress')) await new Promise((resolve) => setImmediate(resolve))
  runQueued(web, build)
  await new Promise((resolve) => response.once('end', resolve))
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => id)
  const last = ids.at(-1) ?? ''
  assert.match(text, /event: finished\ndata: [^\n]*\n\n$/)
  const again = await web.send('GET', `/api/v1/builds/${build}/events`, { 'Last-Event-ID': last })
  assert.equal(again.status, 204)
})

test('a start is told as a problem with Retry-After, and off hides everything', async (context) => {
  const starting = await startWeb(context)
  starting.started.isReady = false
  const answer = await starting.send('GET', '/api/v1/service')
  assert.equal(answer.status, 503)
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  assert.ok(Number(answer.headers['retry-after']) > 0)
  assert.match(answer.body, /STARTING/)
  assert.deepEqual(starting.failures, [])
  const off = await startWeb(context, { web: 'off' })
  for (const path of ['/api/v1/service', '/api/v1/builds', '/', '/docs/'])
    assert.equal((await off.send('GET', path, { Accept: 'text/html' })).status, 404)
})
