import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort } from '#test/clients/free-port.ts'
import { plainGitEnvironment } from './git-repository.ts'

/** A running server with the address that repositories lie below. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
}

export interface GitHttpOptions {
  /** The only login that is let in; everybody unless set. */
  readonly login?: { readonly username: string; readonly password: string }
  readonly port?: number
  /** Called with each request before it is answered; may answer it itself, and then gives true. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** Serves the repositories in `root` over HTTP, through git's own CGI program. */
export async function startGitHttpServer(
  root: string,
  options: GitHttpOptions = {},
): Promise<RunningServer> {
  const server = createServer((request, response) => {
    if (options.intercept?.(request, response) === true) return
    if (!isLetIn(request, options.login)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    runBackend(root, request, response)
  })
  const port = await listen(server, options.port)
  return { url: `http://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: () => stop(server) }
}

function isLetIn(request: IncomingMessage, login: GitHttpOptions['login']): boolean {
  if (login === undefined) return true
  const expected = Buffer.from(`${login.username}:${login.password}`).toString('base64')
  return request.headers.authorization === `Basic ${expected}`
}

function runBackend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      ...plainGitEnvironment(),
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
  })
  request.pipe(backend.stdin)
  backend.stdin.on('error', () => request.unpipe())
  answer(backend.stdout, response).catch(() => response.destroy())
}

/** Turns the output of a CGI program into a response. */
async function answer(output: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
  let head = Buffer.alloc(0)
  let isInBody = false
  for await (const chunk of output) {
    if (isInBody) {
      response.write(chunk)
      continue
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) continue
    isInBody = true
    writeHead(head.subarray(0, end).toString(), response)
    response.write(head.subarray(end + 4))
  }
  response.end()
}

function writeHead(text: string, response: ServerResponse): void {
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()]
    if (name.toLowerCase() === 'status') response.statusCode = Number.parseInt(value, 10)
    else response.setHeader(name, value)
  }
}

/** Serves the repositories in `root` by git's own protocol. */
export async function startGitDaemon(root: string): Promise<RunningServer> {
  const port = await findFreePort()
  const { stdout: programs } = await promisify(execFile)('git', ['--exec-path'])
  const daemon = spawn(
    'setpriv',
    [
      // A test run that is killed must not leave it.
      '--pdeathsig',
      'KILL',
      join(programs.trim(), 'git-daemon'),
      '--reuseaddr',
      '--export-all',
      `--base-path=${root}`,
      '--listen=127.0.0.1',
      `--port=${port}`,
    ],
    { stdio: 'ignore', env: plainGitEnvironment() },
  )
  await waitForPort(port)
  return {
    url: `git://127.0.0.1:${port}`,
    port,
    async [Symbol.asyncDispose]() {
      if (daemon.exitCode !== null || daemon.signalCode !== null) return
      const ended = once(daemon, 'exit')
      daemon.kill('SIGKILL')
      await ended
    },
  }
}

async function waitForPort(port: number): Promise<void> {
  const deadline = Date.now() + 60_000
  while (Date.now() < deadline) {
    const isOpen = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`nothing listens on port ${port}`)
}

export async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}
