import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { prepareStateDirectory, startNixery } from '#test/clients/nixery-server.ts'
import type { NixeryServer } from '#test/clients/nixery-server.ts'
import { fetchManifest } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { readStoredLayers, type MeasuredLayer } from './stored-layers.ts'

/** The image that is measured, and the one that has a package more. */
export const imageName = 'shell/git/htop'
export const grownImageName = 'shell/git/htop/jq'

/** An image of real packages that brings more than 500 MB, and the same with one small package more. */
export const bigImageName = 'shell/git/gcc/vim/nodejs/python3'
export const grownBigImageName = 'shell/git/gcc/vim/nodejs/python3/jq'

/** What all scenarios share, made once. */
export interface Workbench {
  /** Serves both images of usual size from its cache. */
  readonly server: NixeryServer
  readonly manifest: Manifest
  readonly storePaths: readonly string[]
  /** Those that the package more brings. */
  readonly addedStorePaths: readonly string[]
  /** Built when it is first asked for; later calls give the same. */
  bigImage(): Promise<BigImage>
  /** Starts the product with an empty state; with an empty storage of its own unless one is given. */
  start(options?: StartOptions): Promise<NixeryServer>
  /** The environment of a product with an empty state of its own: all but the index of packages is cold. */
  emptyState(): Promise<NodeJS.ProcessEnv>
  /** The storage of a product that has built the image and nothing else, for one's own use. */
  copyStorageWithImage(): Promise<string>
  /** A path where nothing is yet, for files of no lasting worth. */
  newPath(name: string): string
  /** What figures of builds depend on besides the machine. */
  readonly images: readonly ImageFacts[]
}

export type ImageFacts = Readonly<Record<string, string | number>>

export interface StartOptions {
  readonly storageDirectory?: string
  readonly env?: NodeJS.ProcessEnv
}

export interface BigImage {
  /** What the product packs into each layer of store paths. */
  readonly layers: readonly MeasuredLayer[]
  /** What the grown image has beside, without the first slash. */
  readonly addedStorePaths: readonly string[]
  /** Without the first slash. */
  readonly storePaths: readonly string[]
}

/** Builds the images, which also fills the Nix store and the page cache. */
export async function prepareWorkbench(stack: AsyncDisposableStack): Promise<Workbench> {
  const { path: directory } = stack.use(await makeScratchDirectory())
  const packageSets = join(await prepareStateDirectory(), 'package-sets')
  let paths = 0
  const newPath = (name: string) => {
    paths += 1
    return join(directory, `${name}-${paths}`)
  }
  const emptyState = async () => {
    const state = newPath('state')
    await mkdir(state)
    await symlink(packageSets, join(state, 'package-sets'))
    // A renewal of the index would be measured too.
    return { NIXERY_STATE_DIRECTORY: state, NIXERY_REFRESH_HOURS: '0' }
  }
  const start = async ({ storageDirectory, env }: StartOptions = {}) =>
    startNixery({
      ...(await emptyState()),
      STORAGE_PATH: storageDirectory ?? newPath('storage'),
      ...env,
    })

  const storageDirectory = newPath('storage')
  const server = stack.use(await start({ storageDirectory }))
  const manifest = await fetchManifest(server.address, imageName)
  const template = newPath('template')
  await copyStorage(storageDirectory, template)
  const grownManifest = await fetchManifest(server.address, grownImageName)
  const storePaths = await storePathsOf(storageDirectory, manifest)
  const grownStorePaths = await storePathsOf(storageDirectory, grownManifest)
  const addedStorePaths = without(grownStorePaths, storePaths)
  const images: ImageFacts[] = [imageFacts(imageName, manifest, { storePaths, addedStorePaths })]
  let big: Promise<BigImage> | undefined
  return {
    server,
    manifest,
    storePaths,
    addedStorePaths,
    bigImage: () => (big ??= buildBigImage(server, storageDirectory, images)),
    start,
    emptyState,
    async copyStorageWithImage() {
      const copy = newPath('storage')
      await copyStorage(template, copy)
      return copy
    },
    newPath,
    images,
  }
}

async function buildBigImage(
  server: NixeryServer,
  storage: string,
  images: ImageFacts[],
): Promise<BigImage> {
  console.error('bench: building the image of more than 500 MB once')
  const manifest = await fetchManifest(server.address, bigImageName)
  const grownManifest = await fetchManifest(server.address, grownBigImageName)
  const layers = await readStoredLayers(storage, manifest)
  const grownStorePaths = await storePathsOf(storage, grownManifest)
  const storePaths = layers.flat().map(({ path }) => path.slice(1))
  const addedStorePaths = without(grownStorePaths, storePaths)
  const narSizeBytes = layers.flat().reduce((sum, path) => sum + path.narSizeBytes, 0)
  images.push({
    ...imageFacts(bigImageName, manifest, { storePaths, addedStorePaths }),
    narSizeBytes,
  })
  return { layers, addedStorePaths, storePaths }
}

function imageFacts(
  name: string,
  { layers }: Manifest,
  paths: Readonly<Record<'storePaths' | 'addedStorePaths', readonly string[]>>,
): ImageFacts {
  return {
    name,
    storePaths: paths.storePaths.length,
    layers: layers.length,
    compressedBytes: layers.reduce((sum, { size }) => sum + size, 0),
    addedStorePaths: paths.addedStorePaths.length,
  }
}

function without(paths: readonly string[], others: readonly string[]): readonly string[] {
  return paths.filter((path) => !others.includes(path))
}

/** Stored files never change, so a copy shares them. */
async function copyStorage(from: string, to: string): Promise<void> {
  await mkdir(to)
  const folders = ['layers', 'builds', 'manifests'].map((name) => join(from, name))
  const { stderr, exitCode } = await runCommand('cp', ['--archive', '--link', ...folders, to])
  if (exitCode !== 0) throw new Error(`cp: ${stderr}`)
}

async function storePathsOf(storage: string, manifest: Manifest): Promise<readonly string[]> {
  const layers = await readStoredLayers(storage, manifest)
  return layers
    .flat()
    .map(({ path }) => path.slice(1))
    .sort()
}
