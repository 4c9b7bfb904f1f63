import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { RegistrySession } from './registry-session.ts'
import type { RegistryLogin } from './stored-logins.ts'

const signal = new AbortController().signal
const login = { kind: 'password', user: 'me', password: 'secret' } as const

async function serve(context: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const sessionAt = (origin: string, shown: RegistryLogin = login) =>
  new RegistrySession({ host: 'registry.example', origin, repository: 'me/x', login: shown })

test('RegistrySession shows its login to the registry, and to nobody it is sent on to', async (context) => {
  const seen: Array<string | undefined> = []
  const answer: RequestListener = ({ headers: { authorization } }, response) => {
    seen.push(authorization)
    const headers = { 'WWW-Authenticate': 'Basic realm="x"' }
    response.writeHead(authorization === undefined ? 401 : 200, headers).end()
  }
  const origin = await serve(context, answer)
  const elsewhere = await serve(context, answer)
  const session = sessionAt(origin)
  const ask = async (url: string) =>
    (await session.call({ method: 'GET', url: new URL(url) }, signal)).status
  assert.deepEqual([await ask(elsewhere), await ask(origin), await ask(elsewhere)], [401, 200, 401])
  assert.deepEqual(seen, [undefined, undefined, 'Basic bWU6c2VjcmV0', undefined])
})

test('RegistrySession sends no login without TLS when the registry has it', async (context) => {
  const origin = 'https://registry.example'
  const fetched: string[] = []
  context.mock.method(globalThis, 'fetch', async (url: URL | string) => {
    fetched.push(new URL(url).origin)
    const headers = { 'WWW-Authenticate': 'Bearer realm="http://registry.example/token"' }
    const response = new Response(null, { status: 401, headers })
    return Object.defineProperty(response, 'url', { value: String(url) })
  })
  await assert.rejects(
    sessionAt(origin).call({ method: 'GET', url: new URL(origin) }, signal),
    /wants its login to be sent without TLS/,
  )
  assert.deepEqual(fetched, [origin])
})

test('RegistrySession reads no token without end', async (context) => {
  const url = await serve(context, ({ url: path }, response) => {
    if (path === '/') {
      const headers = { 'WWW-Authenticate': `Bearer realm="${url}/token"` }
      response.writeHead(401, headers).end()
      return
    }
    const more = () => {
      while (response.write(' '.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  await assert.rejects(
    sessionAt(url).call({ method: 'GET', url: new URL(url) }, signal),
    /gives no token/,
  )
})

test('RegistrySession says whose token server it cannot reach', async (context) => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const host = `127.0.0.1:${(gone.address() as AddressInfo).port}`
  await new Promise((resolve) => gone.close(resolve))
  const origin = await serve(context, (_, response) =>
    response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="http://${host}/token"` }).end(),
  )
  for (const kind of [login, { kind: 'identity-token', token: 'x' } as const])
    await assert.rejects(
      sessionAt(origin, kind).call({ method: 'GET', url: new URL(origin) }, signal),
      {
        name: 'RegistryRefusal',
        message: `registry.example: its token server ${host} cannot be reached`,
      },
    )
})
