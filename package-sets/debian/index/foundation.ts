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

/** The interpreters and what they depend on themselves; these are built without interpreters. */
export interface Foundation {
  readonly interpreters: readonly string[]
  /** Sorted. */
  readonly closure: readonly string[]
}

export function findFoundation(dependencies: ReadonlyMap<string, readonly string[]>): Foundation {
  const interpreters = interpreterPackages.filter((name) => dependencies.has(name))
  const closure = new Set<string>(interpreters)
  // A set yields what is added while it is walked.
  for (const name of closure) {
    for (const dependency of dependencies.get(name) ?? []) closure.add(dependency)
  }
  return { interpreters, closure: [...closure].sort() }
}
