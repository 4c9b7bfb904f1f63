import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A name of a store path, and the names that it refers to. */
export type ChannelPackages = Readonly<Record<string, readonly string[]>>

/** Answers a request; `answer` is what the site does by itself. */
type Listener = (path: string, response: ServerResponse, answer: () => void) => void

/** A channel and its binary cache on a local server. */
export interface ChannelSite extends AsyncDisposable {
  /** Address of the directory with `store-paths.xz`. */
  readonly channel: string
  readonly cache: string
  /** Paths of all requests so far. */
  readonly requests: string[]
  /** Most requests that were open at the same time. */
  mostOpen: number
  /** Every request comes here; a test may put its own in the place. */
  listener: Listener
  publish(packages: ChannelPackages): void
}

/** `<hash>-jq-1.6`, always with the same hash for a name. */
export function baseNameOf(name: string): string {
  const letters = '0123456789abcdfghijklmnpqrsvwxyz'
  const bytes = createHash('sha256').update(name).digest()
  return `${[...bytes].map((byte) => letters[byte % 32]).join('')}-${name}`
}

export async function startChannelSite(packages: ChannelPackages): Promise<ChannelSite> {
  let documents = new Map<string, string | Buffer>()
  let open = 0
  const server = createServer((request, response) => {
    // A proxy is asked for whole addresses, and this site answers for every host.
    const path = new URL(request.url ?? '', 'http://localhost').pathname
    site.requests.push(path)
    open += 1
    site.mostOpen = Math.max(site.mostOpen, open)
    response.once('close', () => (open -= 1))
    site.listener(path, response, () => {
      const document = documents.get(path)
      if (document === undefined) response.writeHead(404).end('no such file')
      else response.end(document)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const site: ChannelSite = {
    channel: `${origin}/channels/nixos-unstable`,
    cache: `${origin}/cache`,
    requests: [],
    mostOpen: 0,
    listener: (_path, _response, answer) => answer(),
    publish: (published) => (documents = documentsOf(published)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  site.publish(packages)
  return site
}

function documentsOf(packages: ChannelPackages): Map<string, string | Buffer> {
  const names = Object.keys(packages)
  const list = names.map((name) => `/nix/store/${baseNameOf(name)}\n`).join('')
  const narinfos = Object.entries(packages).map(([name, references]) => {
    const baseName = baseNameOf(name)
    return [`/cache/${baseName.slice(0, 32)}.narinfo`, formatNarinfo(baseName, references)] as const
  })
  const packed = execFileSync('xz', ['--stdout'], { input: list, maxBuffer: 2 ** 26 })
  return new Map<string, string | Buffer>([
    ['/channels/nixos-unstable/store-paths.xz', packed],
    ...narinfos,
  ])
}

function formatNarinfo(baseName: string, references: readonly string[]): string {
  const fields = {
    StorePath: `/nix/store/${baseName}`,
    URL: 'nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.xz',
    Compression: 'xz',
    NarHash: 'sha256:1impfw8zdgisxkghq9a3q7cn7jb9zyzgxdydiamp8z2nlyyl0h5h',
    NarSize: 401_232,
    References: references.map(baseNameOf).join(' '),
  }
  return Object.entries(fields)
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('')
}
