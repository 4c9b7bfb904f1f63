import { createReadStream } from 'node:fs'
import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join, normalize } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

export type BinaryCache = AsyncDisposable & {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** `GET /nix-cache-info 200`, in the order of their ends. */
  readonly requests: readonly string[]
  /** While it is set every request gets it as status. */
  failure: number | undefined
}

export interface BinaryCacheOptions {
  /** `name:password`, asked for from everybody. */
  readonly credentials?: string
  /** What an answer waits for, by the path that is asked for. */
  readonly before?: (path: string) => Promise<void> | undefined
}

/** Serves a directory as Nix's binary caches on the web are: files are read with GET and stored with PUT. */
export async function serveBinaryCache(
  directory: string,
  { credentials, before }: BinaryCacheOptions = {},
): Promise<BinaryCache> {
  const requests: string[] = []
  const wanted =
    credentials === undefined ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`
  let cache: BinaryCache
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url ?? '', 'http://cache')
    await before?.(pathname)
    const path = join(directory, normalize(pathname))
    if (cache.failure !== undefined) response.writeHead(cache.failure).end()
    else if (wanted !== undefined && request.headers.authorization !== wanted) {
      response.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end()
    } else if (request.method === 'PUT') await store(path, request, response)
    else await send(path, request, response)
    requests.push(`${request.method} ${request.url} ${response.statusCode}`)
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => response.destroy(error))
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  cache = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    failure: undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
  return cache
}

async function send(path: string, { method }: IncomingMessage, response: ServerResponse) {
  const file = await stat(path).catch(() => undefined)
  if (!file?.isFile()) {
    response.writeHead(404).end()
    return
  }
  response.writeHead(200, { 'Content-Length': file.size })
  if (method === 'HEAD') response.end()
  else await pipeline(createReadStream(path), response)
}

async function store(path: string, request: IncomingMessage, response: ServerResponse) {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.new`, await buffer(request))
  await rename(`${path}.new`, path)
  response.writeHead(201).end()
}
