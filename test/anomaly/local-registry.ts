import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createWorkerPacker, type WorkerPacker } from '#adapters/packing/worker-packer.ts'
import { createRegistryServer } from '#apps/registry/registry-server.ts'
import { parseStorePath, storePathBaseName, type StorePath } from '#core/nix/store-path.ts'
import { buildImage } from '#engine/build-image.ts'
import type { PackageBuilder } from '#engine/ports/package-builder.ts'
import { readStoredManifest } from '#engine/read-stored-manifest.ts'
import { serveManifest } from '#engine/serve-manifest.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { plainNames } from '#test/fakes/plain-names.ts'
import { storageTools, type TestedStorage } from '#test/fakes/storage-tools.ts'
import { setSource } from '#test/fakes/set-source.ts'
import { measureTree } from '#test/archives/measure-tree.ts'

/** A store directory with one package of three paths, and what packs them. */
export interface LocalStore extends AsyncDisposable {
  readonly packer: WorkerPacker
  readonly nix: PackageBuilder
}

/** The product's flow and HTTP front in this process, over a storage that tests tamper with. */
export interface LocalRegistry extends AsyncDisposable {
  readonly url: string
}

const [program, library, data] = ['program-1.0', 'library-1.0', 'data-1.0'].map((name, index) =>
  storePath(`/nix/store/${String(index).repeat(32)}-${name}`),
) as [StorePath, StorePath, StorePath]

export async function makeLocalStore(directory: string): Promise<LocalStore> {
  const storeDirectory = join(directory, 'store')
  const contents = new Map([
    [program, `#!${library}\n`],
    [library, data.repeat(10_000)],
    [data, 'data'],
  ])
  for (const [path, text] of contents) {
    const inStore = join(storeDirectory, storePathBaseName(path))
    await mkdir(inStore, { recursive: true })
    await writeFile(join(inStore, 'file'), text)
  }
  const packer = createWorkerPacker({ threads: 2, storeDirectory })
  const nix = onePackage((path) => measureTree(join(storeDirectory, storePathBaseName(path))))
  return { packer, nix, [Symbol.asyncDispose]: () => packer.close() }
}

export async function startLocalRegistry(
  { packer, nix }: LocalStore,
  storage: TestedStorage,
): Promise<LocalRegistry> {
  const shared = {
    sources: new Map([['', setSource(set)]]),
    policy: strictPolicy,
    ...storageTools(storage),
    layerScheme: 'stable',
    layerBudget: 94,
    compression: { codec: 'gzip', level: 6 },
  } as const
  const storeFiles = () => ({ list: async () => [], propagated: async () => [] })
  const steps = { ...shared, nix, packer, storeFiles }
  const tools = {
    ...shared,
    ...plainNames,
    builder: {
      async build(target: Parameters<typeof buildImage>[1], signal: AbortSignal) {
        const built = await buildImage(steps, target, () => {}, signal)
        if ('kind' in built) throw new Error(`the package does not build: ${built.kind}`)
        return { kind: 'built', image: built } as const
      },
    },
  }
  return listenForPulls(tools, storage, () => {})
}

/** The product's HTTP front over the given tools, on a free port of this machine. */
export async function listenForPulls(
  tools: Parameters<typeof serveManifest>[0] & Parameters<typeof readStoredManifest>[0],
  { blobs }: Pick<TestedStorage, 'blobs'>,
  onFailure: (error: unknown) => void,
): Promise<LocalRegistry> {
  const server = createRegistryServer({
    registry: () => ({
      manifest: (request, signal) => serveManifest(tools, request, signal),
      storedManifest: (digest, signal) => readStoredManifest(tools, digest, signal),
      refuse: async () => undefined,
      near: async () => [],
      blobs,
    }),
    log: { request: () => {}, failure: onFailure },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const set = { identity: 'local', fixed: true, entry: '/local', readablePaths: [] }

/** Stands for Nix: whatever is asked for is the program with all that it refers to. */
function onePackage(sizeOf: (path: StorePath) => number): PackageBuilder {
  const node = (path: StorePath, references: readonly StorePath[]) => ({
    path,
    narSizeBytes: sizeOf(path),
    references,
  })
  return {
    evaluate: async ({ packages }) =>
      packages.map((name) => ({
        kind: 'found',
        package: name,
        attributePath: [name],
        derivation: program,
        outputs: [{ name: 'out', path: program }],
      })),
    realise: async () => ({ kind: 'realised' }),
    closure: async () => ({
      roots: [program],
      nodes: [node(program, [library]), node(library, [data]), node(data, [])],
    }),
    lease: async () => ({ directory: '/local', release: async () => {} }),
  }
}

function storePath(text: string): StorePath {
  const path = parseStorePath(text)
  if (path === undefined) throw new Error(`${text} is no store path`)
  return path
}
