import type { ImageView, ViewedLayer } from '#core/api/image-view.ts'
import type { ImageContents } from '#core/assembly/image-contents.ts'
import { formatPlatform, type Platform } from '#core/nix/system.ts'
import { formatImageName } from '#core/request/image-name.ts'
import {
  resolveImage,
  type NameRefusal,
  type ResolvedImage,
  type ResolveTools,
  type TagRefusal,
} from '../resolve-image.ts'
import type { ManifestEntry } from '../stored-entries.ts'
import { findStoredImage, type StoredImageTools } from './find-stored-image.ts'
import type { LayerSharing, SharedLayers } from './layer-sharing.ts'
import { readContents } from './read-contents.ts'

export interface ViewTools extends ResolveTools, StoredImageTools {
  readonly sharing: LayerSharing
}

export interface ImageSubject {
  readonly name: string
  readonly tag: string
  /** `linux/amd64`; without it the first one of the name that is stored. */
  readonly platform?: string
}

/** Nobody has pulled it yet, or it was removed since. */
export interface NotStored {
  readonly kind: 'not-stored'
  readonly message: string
}

/** Why there is nothing to show; `message` is one line. */
export type ViewRefusal = NameRefusal | TagRefusal | NotStored

export type ViewOutcome = { readonly kind: 'viewed'; readonly view: ImageView } | ViewRefusal

/** A stored image and what is in it. Builds nothing, and reads no layer. */
export async function viewImage(
  tools: ViewTools,
  subject: ImageSubject,
  signal: AbortSignal,
): Promise<ViewOutcome> {
  const { name, tag } = subject
  const resolved = await resolveImage(tools, name, tag, signal)
  if (resolved.kind !== 'resolved') return resolved
  const { request, basis } = resolved
  const stored = await findStoredImage(tools, resolved, platformsOf(resolved, subject), signal)
  if (stored === undefined) return notStored(subject)
  const { platform, image } = stored
  const [contents, shared] = await Promise.all([
    readContents(tools.blobs, image, signal),
    tools.sharing.current(signal),
  ])
  return {
    kind: 'viewed',
    view: {
      name,
      tag,
      digest: image.manifests[0]!.digest,
      platform: formatPlatform(platform),
      platforms: request.platforms.map(formatPlatform),
      revision: basis.pinned.revision,
      sizeBytes: image.blobs.reduce((sum, { size }) => sum + size, 0),
      sharing: shared === undefined ? 'counting' : 'known',
      layers: viewLayers(image, contents, shared, formatImageName(request)),
      ...(contents && { closure: contents.closure }),
    },
  }
}

/** Those of the name's platforms that somebody asks for. */
export function platformsOf(
  { request }: ResolvedImage,
  { platform }: ImageSubject,
): readonly Platform[] {
  return platform === undefined
    ? request.platforms
    : request.platforms.filter((each) => formatPlatform(each) === platform)
}

export function notStored({ name, tag, platform }: ImageSubject): NotStored {
  const where = platform === undefined ? '' : ` for ${platform}`
  const message = `${name}:${tag}${where} is not stored here: order or pull it first`
  return { kind: 'not-stored', message }
}

function viewLayers(
  { blobs }: ManifestEntry,
  contents: ImageContents | undefined,
  shared: SharedLayers | undefined,
  ownName: string,
): readonly ViewedLayer[] {
  const paths = new Map(contents?.layers.map((layer) => [layer.digest, layer.paths]))
  const [_config, ...layers] = blobs
  return layers.map(({ digest, size }) => {
    const { names, count } = shared?.usersOf(digest, ownName) ?? { names: [], count: 0 }
    return {
      digest,
      sizeBytes: size,
      paths: paths.get(digest) ?? [],
      sharedWith: names,
      sharedCount: count,
    }
  })
}
