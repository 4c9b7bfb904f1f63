import type { RootFacts } from '#core/assembly/image-options.ts'
import { storePathName, type StorePath } from '#core/nix/store-path.ts'
import { addBaseSkeleton } from '#core/root-layer/base-skeleton.ts'
import { mergeListings, type Provider } from '#core/root-layer/merge-listings.ts'
import {
  addNode,
  findNode,
  listTarEntries,
  makeDirectory,
  type RootDirectory,
} from '#core/root-layer/root-tree.ts'
import type { TarEntry } from '#core/tar/tar-entry.ts'
import type { StoreFiles } from './ports/store-files.ts'
import { dropBrokenLinks } from './drop-broken-links.ts'

/** Debian's biggest images come to some ten thousand; links that lead in circles could go beyond. */
const mostNames = 500_000

export interface RootLayer {
  readonly kind: 'root-layer'
  /** In byte order of the paths; parents come before what they hold. */
  readonly entries: readonly TarEntry[]
  readonly facts: RootFacts
}

/** The packages hold more names than a root file system can be made of. */
export interface TooManyNames {
  readonly kind: 'too-many-names'
  /** Where the farm had grown to. */
  readonly path: string
  readonly most: number
}

/**
 * The root file system of an image: links to what the packages provide, and the base skeleton.
 * Takes the installed outputs of each package. Requested packages come first, in order of their
 * names, then what they propagate, then what that propagates; the order of the request does not
 * matter. Outputs that are plain files are in the image, but nothing links to them.
 */
export async function makeRootLayer(
  packages: readonly (readonly StorePath[])[],
  files: StoreFiles,
  signal: AbortSignal,
): Promise<RootLayer | TooManyNames> {
  const installed = await listInstalled(packages, files)
  const root = makeDirectory()
  const farm = await growFarm(root, installed, files, signal)
  if (farm.kind === 'too-many-names') return farm
  addBaseSkeleton(root)
  await addOutsideLinks(root, farm.outsideLinks, files)
  return {
    kind: 'root-layer',
    entries: listTarEntries(root),
    facts: {
      bash: findNode(root, 'bin/bash') !== undefined,
      caBundle: findNode(root, 'etc/ssl/certs/ca-bundle.crt') !== undefined,
    },
  }
}

async function listInstalled(
  packages: readonly (readonly StorePath[])[],
  files: StoreFiles,
): Promise<readonly StorePath[]> {
  const installed = new Set<StorePath>()
  let level = packages.toSorted(comparePackages).flat()
  while (level.length > 0) {
    const added = [...new Set(level).difference(installed)]
    for (const path of added) installed.add(path)
    level = (await Promise.all(added.map((path) => files.propagated(path)))).flat()
  }
  return [...installed]
}

function comparePackages(one: readonly StorePath[], other: readonly StorePath[]): number {
  const key = (paths: readonly StorePath[]) => paths.map(storePathName).concat(paths).join('\n')
  return key(one) < key(other) ? -1 : 1
}

interface OutsideLink {
  readonly path: string
  readonly target: string
}

interface Farm {
  readonly kind: 'farm'
  readonly outsideLinks: readonly OutsideLink[]
}

/** Links the tree to the packages, level by level; returns the links that lead out of the store. */
async function growFarm(
  root: RootDirectory,
  installed: readonly StorePath[],
  files: StoreFiles,
  signal: AbortSignal,
): Promise<Farm | TooManyNames> {
  const outsideLinks: OutsideLink[] = []
  const top: readonly Provider[] = installed.map((directory) => ({ directory }))
  const waiting = [{ path: '', directory: root, providers: top }]
  let names = 0
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    signal.throwIfAborted()
    const { children } = next.directory
    for (const [name, merged] of await mergeDirectories(next.path, next.providers, files)) {
      const path = next.path === '' ? name : `${next.path}/${name}`
      names += 1
      if (names > mostNames) return { kind: 'too-many-names', path, most: mostNames }
      switch (merged.kind) {
        case 'link':
          children.set(name, { kind: 'symlink', target: merged.target })
          break
        case 'directory': {
          const directory = makeDirectory()
          children.set(name, directory)
          waiting.push({ path, directory, providers: merged.providers })
          break
        }
        case 'outside':
          outsideLinks.push({ path, target: merged.target })
      }
    }
  }
  return { kind: 'farm', outsideLinks }
}

async function mergeDirectories(path: string, providers: readonly Provider[], files: StoreFiles) {
  const listings = providers.map(async (provider) => ({
    provider,
    entries: await files.list(provider.directory),
  }))
  return mergeListings(path, await Promise.all(listings))
}

/** Adds the links that lead to something in the finished image, where nothing else is. */
async function addOutsideLinks(
  root: RootDirectory,
  links: readonly OutsideLink[],
  files: StoreFiles,
): Promise<void> {
  const added = links.filter(({ path, target }) => addNode(root, path, { kind: 'symlink', target }))
  await dropBrokenLinks(
    root,
    added.map(({ path }) => path),
    files,
  )
}
