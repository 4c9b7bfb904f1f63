import type { PackageSet, PackageSource, PinnedSource } from '#engine/ports/package-source.ts'

/** A pin of a set that is on this machine already. */
export function pinnedSet({ identity, fixed }: PackageSet): PinnedSource {
  return { source: '', revision: identity, identity, fixed }
}

/** A source with one set, whatever the tag. */
export function setSource(set: PackageSet): PackageSource {
  return {
    pin: async () => ({ kind: 'pinned', pinned: pinnedSet(set) }),
    fetch: async () => ({ kind: 'fetched', set }),
  }
}
