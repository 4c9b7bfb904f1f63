import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { registryDestination } from './registry-destination.ts'

const signal = new AbortController().signal

/** What a registry is asked, and what the destination says of it before an image is there. */
async function check(context: TestContext, answer: RequestListener) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const destination = registryDestination({
    host,
    repository: 'me/x',
    tag: 'latest',
    insecure: false,
    findLogin: async () => undefined,
    clock: {
      after() {
        throw new Error('nothing here gets better by itself')
      },
    },
  })
  return { asked, host, checked: destination.check(signal) }
}

test('registryDestination() begins an upload to see whether it may, and gives it up', async (context) => {
  const { asked, checked } = await check(context, ({ method }, response) =>
    response.writeHead(method === 'POST' ? 202 : 204, { Location: '/uploads/1?state=x' }).end(),
  )
  await checked
  assert.deepEqual(asked, ['POST /v2/me/x/blobs/uploads/', 'DELETE /uploads/1?state=x'])
})

test('registryDestination() needs no answer about the upload that it gives up', async (context) => {
  const headers = { Location: '/uploads/1', 'Content-Length': '9' }
  for (const breakOff of [
    (response: ServerResponse) => response.destroy(),
    (response: ServerResponse) =>
      response.writeHead(200, headers).write('half', () => response.destroy()),
  ]) {
    const { asked, checked } = await check(context, ({ method }, response) => {
      if (method === 'DELETE') breakOff(response)
      else response.writeHead(202, { ...headers, 'Content-Length': '0' }).end()
    })
    await checked
    assert.deepEqual(asked, ['POST /v2/me/x/blobs/uploads/', 'DELETE /uploads/1'])
  }
})

test('registryDestination() tells what is no registry from one that refuses', async (context) => {
  const denied = { errors: [{ code: 'DENIED', message: 'not yours' }] }
  const missing = { errors: [{ code: 'NAME_UNKNOWN', message: 'no such project' }] }
  const table = [
    [501, '<html>', /501 Not Implemented; is \S+ a registry\?$/],
    [404, '<html>', /404 Not Found; is \S+ a registry\?$/],
    [405, '', /405 Method Not Allowed; is \S+ a registry\?$/],
    [503, '', /503 Service Unavailable$/],
    [429, '', /429 Too Many Requests$/],
    [404, JSON.stringify(missing), /404 NAME_UNKNOWN: no such project$/],
    [403, JSON.stringify(denied), /403 DENIED: not yours; the login may not push there: docker /],
  ] as const
  for (const [status, body, message] of table) {
    const { asked, checked } = await check(context, (_, response) =>
      response.writeHead(status).end(body),
    )
    await assert.rejects(checked, { name: 'RegistryRefusal', status, message })
    assert.equal(asked.length, 1)
  }
})
