import type { ControlStanza } from './control-stanzas.ts'
import { compareDebianVersions } from './debian-version.ts'
import { parseDependencyField, type DependencyAlternatives } from './dependency-field.ts'

/** Which of Debian's two archives holds a file; each has its own base URL on a mirror. */
export type Archive = 'main' | 'security'

/** What the package set takes over from one stanza of a `Packages` list. */
export interface BinaryPackage {
  readonly name: string
  readonly version: string
  readonly archive: Archive
  /** Path of the .deb below the archive's base URL. */
  readonly file: string
  readonly sha256: string
  readonly description: string
  readonly priority: string
  readonly depends: readonly DependencyAlternatives[]
  readonly provides: readonly DependencyAlternatives[]
}

/** Reads one stanza; `undefined` when a field that a download needs is missing or malformed. */
export function parseBinaryPackage(
  stanza: ControlStanza,
  archive: Archive,
): BinaryPackage | undefined {
  const name = stanza.get('package')
  const version = stanza.get('version')
  const file = stanza.get('filename')
  const sha256 = stanza.get('sha256')
  if (name === undefined || version === undefined || file === undefined) return undefined
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256)) return undefined
  return {
    name,
    version,
    archive,
    file,
    sha256,
    description: (stanza.get('description') ?? '').split('\n', 1)[0] ?? '',
    priority: stanza.get('priority') ?? 'optional',
    depends: [
      ...parseDependencyField(stanza.get('pre-depends') ?? ''),
      ...parseDependencyField(stanza.get('depends') ?? ''),
    ],
    provides: parseDependencyField(stanza.get('provides') ?? ''),
  }
}

/** Keeps the package unless a version at least as new is there already. */
export function keepNewest(packages: Map<string, BinaryPackage>, candidate: BinaryPackage): void {
  const known = packages.get(candidate.name)
  if (known === undefined || compareDebianVersions(known.version, candidate.version) < 0) {
    packages.set(candidate.name, candidate)
  }
}
