import type { Popularity } from '#core/layers/popularity.ts'
import { BoundedMap } from '#core/memory/bounded-map.ts'
import type { ImageRequest } from '#core/request/image-request.ts'
import type { PinnedSource } from './ports/package-source.ts'
import { RecentAnswers, type RecentAnswersOptions } from './recent-answers.ts'
import type { ServedImage } from './serve-platforms.ts'

// A manifest has at most some 30 KB, and an image two: 30 MB when every one of them is that large.
const mostAnswers = 500

// Names have 255 bytes at most; with all that is read from one, 2 KB.
const mostNames = 2000

/** What pulls of the last minute have found, so that the next ones look for it in memory alone. */
export interface RecentManifests {
  /** Images and indexes by all that decides them. */
  readonly images: RecentAnswers<ServedImage>
  /** Manifests and indexes by digest. */
  readonly documents: RecentAnswers<Uint8Array>
  /** What names ask for that the policy lets through; stored specs may change, and are not among them. */
  readonly names: BoundedMap<string, ImageRequest>
}

export function createRecentManifests(
  options: Omit<RecentAnswersOptions, 'most'>,
): RecentManifests {
  return {
    images: new RecentAnswers({ ...options, most: mostAnswers }),
    documents: new RecentAnswers({ ...options, most: mostAnswers }),
    names: new BoundedMap(mostNames),
  }
}

/** Everything about an image that is not the same for all of a process. */
export interface RecentImageFacts {
  readonly name: string
  readonly acceptsIndex: boolean
  readonly pinned: PinnedSource
  readonly popularity: Popularity
}

export function recentImageKey(facts: RecentImageFacts): string {
  const { name, acceptsIndex, pinned, popularity } = facts
  const { source, revision, identity, origin, staleSinceMs } = pinned
  const version = popularity.kind === 'snapshot' ? popularity.version : ''
  return `${name}\n${acceptsIndex}\n${source}\n${revision}\n${identity}\n${origin}\n${staleSinceMs}\n${version}`
}
