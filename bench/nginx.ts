import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startDaemon } from '#test/clients/daemon.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'

export type Nginx = AsyncDisposable & {
  readonly address: string
  /** Of the master, whose children are the workers. */
  readonly pid: number
  /** What is served under `/`. */
  readonly directory: string
}

/** Debian's nginx for static files: private, with sendfile, a worker per core and no access log. */
export async function startNginx(): Promise<Nginx> {
  await using stack = new AsyncDisposableStack()
  const { path: prefix } = stack.use(await makeScratchDirectory())
  const address = `127.0.0.1:${await findFreePort()}`
  const directory = join(prefix, 'files')
  await mkdir(directory)
  const configPath = join(prefix, 'nginx.conf')
  await writeFile(configPath, configuration(address, prefix))
  const daemon = stack.use(
    await startDaemon({
      command: 'nginx',
      args: ['-p', prefix, '-e', join(prefix, 'error.log'), '-c', configPath],
      logPath: join(prefix, 'log'),
      readyTimeoutMs: 30_000,
      isReady: () => answers(`http://${address}/`),
    }),
  )
  const resources = stack.move()
  return {
    address,
    pid: daemon.pid,
    directory,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

// Of Debian's settings those that matter to big files. The workers run as whoever runs the benchmark,
// who alone may read the scratch directory.
function configuration(address: string, prefix: string): string {
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `${user}
daemon off;
worker_processes auto;
pid ${prefix}/pid;
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path ${prefix}/body;
  proxy_temp_path ${prefix}/proxy;
  fastcgi_temp_path ${prefix}/fastcgi;
  uwsgi_temp_path ${prefix}/uwsgi;
  scgi_temp_path ${prefix}/scgi;
  server {
    listen ${address};
    root ${prefix}/files;
  }
}
`
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    // It does not listen yet.
    () => false,
  )
}
