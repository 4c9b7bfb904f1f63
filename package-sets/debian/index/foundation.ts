/**
 * Packages whose programs Debian's scripts use without a dependency, because every Debian system
 * has them: `#!/bin/sh`, `#!/usr/bin/perl`, `#!/usr/bin/env`, `#!/usr/bin/awk -f`, `#!/bin/sed -f`.
 */
export const interpreterPackages = [
  'bash',
  'coreutils',
  'dash',
  'mawk',
  'perl-base',
  'sed',
] as const

/**
 * Packages whose programs Debian's shell scripts call without a dependency, for the same reason. A
 * package with such scripts depends on these too.
 */
export const shellProgramPackages = [
  'coreutils',
  'debianutils',
  'diffutils',
  'findutils',
  'grep',
  'gzip',
  'mawk',
  'sed',
  'tar',
] as const

/** The essential packages above, and what they depend on themselves; these are built without them. */
export interface Foundation {
  readonly interpreters: readonly string[]
  readonly shellPrograms: readonly string[]
  /** Sorted. */
  readonly closure: readonly string[]
}

export function findFoundation(dependencies: ReadonlyMap<string, readonly string[]>): Foundation {
  const interpreters = interpreterPackages.filter((name) => dependencies.has(name))
  const shellPrograms = shellProgramPackages.filter((name) => dependencies.has(name))
  const closure = new Set<string>([...interpreters, ...shellPrograms])
  // A set yields what is added while it is walked.
  for (const name of closure) {
    for (const dependency of dependencies.get(name) ?? []) closure.add(dependency)
  }
  return { interpreters, shellPrograms, closure: [...closure].sort() }
}
