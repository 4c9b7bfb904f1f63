import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { startNixery } from '#test/clients/nixery-server.ts'
import type { NixeryServer } from '#test/clients/nixery-server.ts'
import { listStorePaths } from './gnu-tar.ts'
import { fetchManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'

/** The image that is measured, and the one that has a package more. */
export const imageName = 'shell/git/htop'
export const grownImageName = 'shell/git/htop/jq'

/** What all scenarios share, made once. */
export interface Workbench {
  /** Serves both images from its cache. */
  readonly server: NixeryServer
  readonly manifest: Manifest
  readonly storePaths: readonly string[]
  /** Those that the package more brings. */
  readonly addedStorePaths: readonly string[]
  /** Starts the product with that storage; with an empty one of its own unless given. */
  start(storageDirectory?: string): Promise<NixeryServer>
  /** The storage of a product that has built the image and nothing else, for one's own use. */
  copyStorageWithImage(): Promise<string>
  /** For files of no lasting worth. */
  readonly directory: string
}

/** Builds the images, which also fills the Nix store and the page cache. */
export async function prepareWorkbench(stack: AsyncDisposableStack): Promise<Workbench> {
  const { path: directory } = stack.use(await makeScratchDirectory())
  const server = stack.use(await startProduct())
  const manifest = await fetchManifest(server.address, imageName)
  const template = join(directory, 'template')
  await copyStorage(server.storageDirectory, template)
  const grownManifest = await fetchManifest(server.address, grownImageName)
  const storePaths = await storePathsOf(server, manifest)
  const grownStorePaths = await storePathsOf(server, grownManifest)
  let copies = 0
  return {
    server,
    manifest,
    storePaths,
    addedStorePaths: grownStorePaths.filter((path) => !storePaths.includes(path)),
    start: startProduct,
    async copyStorageWithImage() {
      copies += 1
      const copy = join(directory, `storage-${copies}`)
      await copyStorage(template, copy)
      return copy
    },
    directory,
  }
}

/** What the figures of builds depend on besides the machine. */
export function describeImage({
  manifest,
  storePaths,
  addedStorePaths,
}: Workbench): Readonly<Record<string, string | number>> {
  return {
    name: imageName,
    storePaths: storePaths.length,
    layers: manifest.layers.length,
    compressedBytes: manifest.layers.reduce((sum, { size }) => sum + size, 0),
    grownName: grownImageName,
    addedStorePaths: addedStorePaths.length,
  }
}

function startProduct(storageDirectory?: string): Promise<NixeryServer> {
  return startNixery(storageDirectory === undefined ? {} : { STORAGE_PATH: storageDirectory })
}

/** Stored files never change, so a copy shares them. */
async function copyStorage(from: string, to: string): Promise<void> {
  await mkdir(to)
  const folders = ['layers', 'builds', 'manifests'].map((name) => join(from, name))
  const { stderr, exitCode } = await runCommand('cp', ['--archive', '--link', ...folders, to])
  if (exitCode !== 0) throw new Error(`cp: ${stderr}`)
}

async function storePathsOf(server: NixeryServer, manifest: Manifest): Promise<string[]> {
  const paths: string[] = []
  for (const { digest } of manifest.layers) {
    const layerPath = join(server.storageDirectory, 'layers', digest.replace('sha256:', ''))
    paths.push(...(await listStorePaths(layerPath)))
  }
  return paths.sort()
}
