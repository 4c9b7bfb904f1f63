import { satisfiesRelation, type VersionRelation } from './debian-version.ts'

/** One package name of a dependency, perhaps with a bound: `libc6 (>= 2.36)`. */
export interface Dependency {
  readonly name: string
  readonly bound?: { readonly relation: VersionRelation; readonly version: string }
}

/** Dependencies of which any one is enough, in the order of the packager's preference. */
export type DependencyAlternatives = readonly Dependency[]

// `name[:architecture] [(relation version)]`; older lists write `<` and `>` for `<=` and `>=`.
const dependencyPattern =
  /^([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?$/

/** Reads `Depends`, `Pre-Depends` or `Provides`; entries that break the grammar are left out. */
export function parseDependencyField(field: string): readonly DependencyAlternatives[] {
  return field
    .split(',')
    .map((entry) =>
      entry
        .split('|')
        .map(parseDependency)
        .filter((dependency) => dependency !== undefined),
    )
    .filter((alternatives) => alternatives.length > 0)
}

/** Whether a package of that version is what the dependency wants. */
export function admitsVersion(dependency: Dependency, version: string): boolean {
  const { bound } = dependency
  return bound === undefined || satisfiesRelation(version, bound.relation, bound.version)
}

function parseDependency(text: string): Dependency | undefined {
  const [, name, relation, version] = dependencyPattern.exec(text.trim()) ?? []
  if (name === undefined) return undefined
  if (relation === undefined || version === undefined) return { name }
  return { name, bound: { relation: modernRelation(relation), version } }
}

function modernRelation(relation: string): VersionRelation {
  if (relation === '<') return '<='
  if (relation === '>') return '>='
  return relation as VersionRelation
}
