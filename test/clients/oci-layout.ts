import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { readArchive } from '#test/archives/read-archive.ts'
import type { ReadEntry } from '#test/archives/read-archive.ts'

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number }
type Manifest = {
  readonly schemaVersion: number
  readonly mediaType?: string
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}
type ImageConfig = {
  readonly architecture?: string
  readonly os?: string
  readonly created?: string
  readonly config?: unknown
  readonly rootfs?: { readonly type: string; readonly diff_ids: readonly string[] }
  readonly history?: readonly { readonly created?: string; readonly empty_layer?: boolean }[]
}

/** One file system that results from all layers. */
type Tree = Map<string, ReadEntry>

// POSIX's type flags, as far as images have them.
const symlinkType = '2'
const directoryType = '5'
const kinds = new Map([
  ['0', 'file'],
  ['1', 'hard link'],
  [symlinkType, 'symlink'],
  [directoryType, 'directory'],
])

// overlay2 gets no deeper; Docker says "max depth exceeded" beyond it.
const maxLayers = 125

// Linux follows no more links than this in one look-up.
const maxLinkDepth = 40

/**
 * Everything that is wrong with the images in an OCI layout directory, as sentences; none when they are
 * sound. It judges by the OCI image specification 1.1 and by what Docker refuses beyond it.
 */
export async function findLayoutViolations(directory: string): Promise<string[]> {
  const violations: string[] = []
  const readBlob = (descriptor: Descriptor) => readCheckedBlob(directory, descriptor, violations)
  const version = parseJson(await readFile(join(directory, 'oci-layout'))) as {
    imageLayoutVersion?: string
  }
  if (version.imageLayoutVersion !== '1.0.0') violations.push('oci-layout names no version 1.0.0')
  const index = parseJson(await readFile(join(directory, 'index.json'))) as {
    manifests: readonly Descriptor[]
  }
  if (index.manifests.length === 0) violations.push('the layout holds no image')
  for (const descriptor of index.manifests) {
    const blob = await readBlob(descriptor)
    if (blob !== undefined)
      await checkImage(parseJson(blob) as Manifest, descriptor, readBlob, violations)
  }
  return violations
}

async function readCheckedBlob(
  directory: string,
  { digest, size }: Descriptor,
  violations: string[],
): Promise<Buffer | undefined> {
  const [algorithm = '', hex = ''] = digest.split(':')
  let blob: Buffer
  try {
    blob = await readFile(join(directory, 'blobs', algorithm, hex))
  } catch {
    violations.push(`blob ${digest} is missing`)
    return undefined
  }
  if (blob.length !== size) violations.push(`blob ${digest} has ${blob.length} bytes, not ${size}`)
  if (digestOf(blob) !== digest) violations.push(`blob ${digest} holds ${digestOf(blob)}`)
  return blob
}

async function checkImage(
  manifest: Manifest,
  descriptor: Descriptor,
  readBlob: (descriptor: Descriptor) => Promise<Buffer | undefined>,
  violations: string[],
): Promise<void> {
  if (manifest.schemaVersion !== 2) violations.push('the manifest has no schemaVersion 2')
  if ((manifest.mediaType ?? descriptor.mediaType) !== descriptor.mediaType) {
    violations.push(
      `the manifest says ${manifest.mediaType}, its descriptor ${descriptor.mediaType}`,
    )
  }
  if (manifest.layers.length > maxLayers) {
    violations.push(`the image has ${manifest.layers.length} layers, more than ${maxLayers}`)
  }
  const configBlob = await readBlob(manifest.config)
  const config: ImageConfig = configBlob === undefined ? {} : (parseJson(configBlob) as ImageConfig)
  checkConfig(config, manifest.layers.length, violations)
  const tree: Tree = new Map()
  for (const [position, layer] of manifest.layers.entries()) {
    const blob = await readBlob(layer)
    if (blob === undefined) continue
    const archive = decompress(blob, layer.mediaType)
    const diffId = config.rootfs?.diff_ids[position]
    if (digestOf(archive) !== diffId) {
      violations.push(`layer ${position} has diffID ${digestOf(archive)}, not ${diffId}`)
    }
    checkLayer(readArchive(archive), position, tree, violations)
  }
  checkLinks(tree, violations)
}

function checkConfig(config: ImageConfig, layerCount: number, violations: string[]): void {
  if (typeof config.config !== 'object' || config.config === null) {
    violations.push('the image config has no config object')
  }
  for (const field of ['architecture', 'os', 'created'] as const) {
    if (typeof config[field] !== 'string') violations.push(`the image config has no ${field}`)
  }
  if (config.rootfs?.type !== 'layers') violations.push('rootfs.type is not layers')
  const diffIds = config.rootfs?.diff_ids.length ?? 0
  if (diffIds !== layerCount) violations.push(`${diffIds} diffIDs for ${layerCount} layers`)
  const history = config.history ?? []
  const layersInHistory = history.filter((entry) => entry.empty_layer !== true).length
  if (layersInHistory !== layerCount) {
    violations.push(`the history tells of ${layersInHistory} layers, not ${layerCount}`)
  }
  if (history.some((entry) => entry.created === undefined)) {
    violations.push('a history entry has no created')
  }
}

/** Checks one layer by itself and against those below it, and adds it to `tree`. */
function checkLayer(
  entries: readonly ReadEntry[],
  position: number,
  tree: Tree,
  violations: string[],
): void {
  const own = new Set<string>()
  const violate = (entry: ReadEntry, what: string) =>
    violations.push(`layer ${position}: ${entry.path} ${what}`)
  for (const entry of entries) {
    const kind = kinds.get(entry.type)
    const path = normalize(entry.path)
    if (own.has(path)) violate(entry, 'appears twice')
    if (path.split('/').includes('..')) violate(entry, 'leaves the root')
    if (kind === undefined) violate(entry, `is of type ${entry.type}`)
    if (entry.owner !== '0:0') violate(entry, `belongs to ${entry.owner}`)
    if (kind === 'hard link' && !own.has(normalize(entry.target))) {
      violate(entry, `is a hard link to ${entry.target}, which does not come before it`)
    }
    if (path !== '') {
      const parent = tree.get(parentOf(path))
      if (parentOf(path) !== '' && parent === undefined) violate(entry, 'has no parent directory')
      else if (parent !== undefined && parent.type !== directoryType) {
        violate(entry, `lies in a ${kinds.get(parent.type)}`)
      }
    }
    own.add(path)
    tree.set(path, entry)
  }
}

/**
 * No link of the image's root dangles. Inside store paths they may: packages link to files of packages
 * that they only recommend, and their bytes are not the image's to change.
 */
function checkLinks(tree: Tree, violations: string[]): void {
  for (const [path, entry] of tree) {
    if (entry.type !== symlinkType) continue
    const isAbsolute = entry.target.startsWith('/')
    const base = isAbsolute ? [] : path.split('/').slice(0, -1)
    if (climbsAboveRoot(base, entry.target)) {
      violations.push(`${path} climbs above the root: ${entry.target}`)
    } else if (!path.startsWith('nix/store/') && resolvePath(tree, path, 0) === undefined) {
      violations.push(`${path} dangles: ${entry.target}`)
    }
  }
}

function climbsAboveRoot(base: readonly string[], target: string): boolean {
  let depth = base.length
  for (const part of target.split('/')) {
    if (part === '..') depth -= 1
    else if (part !== '' && part !== '.') depth += 1
    if (depth < 0) return true
  }
  return false
}

/** The path that `path` leads to when every link on the way is followed, if there is one. */
function resolvePath(tree: Tree, path: string, depth: number): string | undefined {
  if (depth > maxLinkDepth) return undefined
  let resolved = ''
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  for (const [position, part] of parts.entries()) {
    if (part === '..') {
      resolved = parentOf(resolved)
      continue
    }
    const next = resolved === '' ? part : `${resolved}/${part}`
    const entry = tree.get(next)
    if (entry === undefined) return undefined
    if (entry.type === symlinkType) {
      const start = entry.target.startsWith('/') ? '' : resolved
      const rest = parts.slice(position + 1).join('/')
      return resolvePath(tree, `${start}/${entry.target}/${rest}`, depth + 1)
    }
    resolved = next
  }
  return resolved
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function normalize(path: string): string {
  return path.replaceAll(/^\.?\/+|\/+$/g, '')
}

function decompress(blob: Buffer, mediaType: string): Buffer {
  if (/[+.]gzip$/.test(mediaType)) return gunzipSync(blob)
  if (mediaType.endsWith('+zstd')) return zstdDecompressSync(blob)
  return blob
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function parseJson(json: Buffer): unknown {
  return JSON.parse(json.toString('utf8'))
}
