import type { PackageSource } from '#engine/ports/package-source.ts'
import { onlyLatest } from './only-latest.ts'

/** A package set at a path of this machine, which may change at any moment: nothing of it is cached. */
export function createPathSource(path: string): PackageSource {
  const source = { revision: `path:${path}`, entry: path, readablePaths: [path] }
  return {
    pin: async (tag) => onlyLatest(tag, () => ({ kind: 'pinned', source, cacheable: false })),
  }
}
