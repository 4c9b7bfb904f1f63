import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { makeScratchDirectory, type ScratchDirectory } from '#test/clients/scratch-directory.ts'
import { eventually } from './eventually.ts'
import { spawnRegistry, startRefused } from './registry-process.ts'
import { siteCommands } from './registry-site.ts'

suite('a first start, while the package index is made', { skip: skipUnless(siteCommands) }, () => {
  let scratch: ScratchDirectory
  let mirror: Server
  let environment: Readonly<Record<string, string>>
  const connections = new Set<Socket>()

  before(async () => {
    scratch = await makeScratchDirectory()
    // It takes requests and never answers: the start goes on until it is ended.
    mirror = createServer((socket) => connections.add(socket)).listen(0, '127.0.0.1')
    await once(mirror, 'listening')
    const url = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian`
    environment = {
      NIXERY_STATE_DIRECTORY: scratch.path,
      NIXERY_DEBIAN_MIRROR: url,
      NIXERY_DEBIAN_SECURITY_MIRROR: url,
    }
  })
  after(async () => {
    for (const socket of connections) socket.destroy()
    mirror.close()
    await scratch[Symbol.asyncDispose]()
  })

  test('answers 503 with Retry-After, and ends when it is asked to', async (context) => {
    const port = await findFreePort()
    const service = spawnRegistry({ environment: { ...environment, PORT: String(port) } })
    context.after(() => service.kill('SIGKILL'))
    const url = `http://127.0.0.1:${port}`
    const first = await eventually('an answer', () => tryFetch(`${url}/v2/`))
    await first.body?.cancel()
    for (const path of ['/v2/', '/v2/git/manifests/latest']) {
      const answer = await fetch(url + path)
      assert.equal(answer.status, 503, path)
      assert.ok(Number(answer.headers.get('retry-after')) > 0, path)
      assert.equal(answer.headers.get('content-type'), 'application/json')
      assert.match(await answer.text(), /STARTING: .*package index/)
    }
    const { exitCode, stderr } = await service.kill('SIGTERM')
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.ok(!service.log.some(({ msg }) => msg.startsWith('ready')))
  })

  test('tells at once that the port is taken', async (context) => {
    const other = createServer().listen(0, '127.0.0.1')
    context.after(() => other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { exitCode, stderr } = await startRefused({
      environment: { ...environment, PORT: String(port) },
    })
    assert.deepEqual([exitCode, stderr.includes(`PORT=${port} is in use`)], [1, true], stderr)
  })
})

async function tryFetch(url: string): Promise<Response | undefined> {
  return fetch(url).catch(() => undefined)
}
