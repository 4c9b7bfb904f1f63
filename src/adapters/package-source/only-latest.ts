import type { PinnedSource, PinOutcome } from '#engine/ports/package-source.ts'

/** For sources without versions: `latest` is what there is. */
export function onlyLatest(tag: string, pin: () => PinnedSource): PinOutcome {
  if (tag === 'latest') return { kind: 'pinned', pinned: pin() }
  return {
    kind: 'unknown-tag',
    message: `there is no tag ${tag}: this package source has only latest`,
  }
}
