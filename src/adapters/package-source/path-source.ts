import type { PackageSource } from '#engine/ports/package-source.ts'
import { onlyLatest } from './only-latest.ts'

/** A package set at a path of this machine, which may change at any moment: nothing of it is cached. */
export function createPathSource(name: string, path: string): PackageSource {
  const identity = `path:${path}`
  const pinned = { source: name, revision: identity, identity, fixed: false }
  const set = { identity, fixed: false, entry: path, readablePaths: [path] }
  return {
    pin: async (tag) => onlyLatest(tag, () => pinned),
    fetch: async () => ({ kind: 'fetched', set }),
  }
}
