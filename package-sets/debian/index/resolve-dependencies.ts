import type { BinaryPackage } from './binary-package.ts'
import { admitsVersion, type Dependency, type DependencyAlternatives } from './dependency-field.ts'

/**
 * Packages that others depend on for their maintainer scripts, which never run in an image. Without
 * this list nearly every image would carry Perl, dpkg and a mail server's questions.
 */
const maintainerScriptPackages: ReadonlySet<string> = new Set([
  'adduser',
  'cdebconf',
  'dbconfig-common',
  'dbconfig-no-thanks',
  'debconf',
  'debconf-2.0',
  'dictionaries-common',
  'dpkg',
  'emacsen-common',
  'init-system-helpers',
  'install-info',
  'lsb-base',
  'python3-update-manager',
  'systemd-sysv',
  'ucf',
  'update-inetd',
  'xfonts-utils',
])

/** Packages that run one of those programs themselves, not only in a maintainer script. */
const realUsersOfMaintainerTools: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['libdpkg-perl', new Set(['dpkg'])],
  ['dpkg-repack', new Set(['dpkg'])],
  ['debootstrap', new Set(['dpkg'])],
  ['debconf-utils', new Set(['debconf'])],
  ['aspell-autobuildhash', new Set(['dictionaries-common'])],
  ['xfonts-utils', new Set(['xfonts-utils'])],
])

/**
 * What these cannot do without, though Debian does not call it a dependency. Taken for granted
 * because it is essential: the C.UTF-8 locale, and the terminal descriptions without which no curses
 * program starts. Only recommended: the headers of the C library, without which gcc compiles nothing.
 */
const undeclaredDependencies: ReadonlyMap<string, readonly string[]> = new Map([
  ['libc6', ['libc-bin']],
  ['libtinfo6', ['ncurses-base']],
  ['gcc', ['libc6-dev']],
])

const priorities = ['required', 'important', 'standard', 'optional', 'extra']

/** The dependency graph of a suite: every package with the one package chosen for each dependency. */
export interface ResolvedDependencies {
  /** Sorted names by package, in the order of the packages' names. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>
  /** How many dependencies no package of the suite satisfies. */
  readonly unsatisfiedCount: number
}

/** Chooses one package for every dependency; the same packages give the same choice. */
export function resolveDependencies(
  packages: ReadonlyMap<string, BinaryPackage>,
): ResolvedDependencies {
  const providers = findProviders(packages)
  const dependencies = new Map<string, readonly string[]>()
  let unsatisfiedCount = 0
  for (const name of [...packages.keys()].sort()) {
    const undeclared = undeclaredDependencies.get(name) ?? []
    const chosen = new Set(undeclared.filter((each) => packages.has(each)))
    for (const alternatives of packages.get(name)!.depends) {
      if (isForMaintainerScripts(name, alternatives)) continue
      const choice = chooseAlternative(alternatives, packages, providers)
      if (choice === undefined) unsatisfiedCount += 1
      else chosen.add(choice)
    }
    chosen.delete(name)
    dependencies.set(name, [...chosen].sort())
  }
  return { dependencies, unsatisfiedCount }
}

interface Provider {
  readonly package: BinaryPackage
  /** The version it provides; without one it satisfies only dependencies without a bound (policy 7.5). */
  readonly version?: string
}

function findProviders(
  packages: ReadonlyMap<string, BinaryPackage>,
): ReadonlyMap<string, readonly Provider[]> {
  const providers = new Map<string, Provider[]>()
  for (const provider of packages.values()) {
    for (const [provided] of provider.provides) {
      if (provided === undefined) continue
      const known = providers.get(provided.name) ?? []
      known.push({
        package: provider,
        ...(provided.bound === undefined ? {} : { version: provided.bound.version }),
      })
      providers.set(provided.name, known)
    }
  }
  for (const known of providers.values()) known.sort(compareProviders)
  return providers
}

/** The more basic package first, then the one that brings less with it, then by name. */
function compareProviders(a: Provider, b: Provider): number {
  return (
    priorities.indexOf(a.package.priority) - priorities.indexOf(b.package.priority) ||
    a.package.depends.length - b.package.depends.length ||
    (a.package.name < b.package.name ? -1 : 1)
  )
}

function isForMaintainerScripts(dependent: string, alternatives: DependencyAlternatives): boolean {
  const first = alternatives[0]!.name
  return (
    maintainerScriptPackages.has(first) &&
    realUsersOfMaintainerTools.get(dependent)?.has(first) !== true
  )
}

function chooseAlternative(
  alternatives: DependencyAlternatives,
  packages: ReadonlyMap<string, BinaryPackage>,
  providers: ReadonlyMap<string, readonly Provider[]>,
): string | undefined {
  for (const dependency of alternatives) {
    const real = packages.get(dependency.name)
    if (real !== undefined && admitsVersion(dependency, real.version)) return real.name
    const provider = (providers.get(dependency.name) ?? []).find((each) =>
      providerSatisfies(each, dependency),
    )
    if (provider !== undefined) return provider.package.name
  }
  return undefined
}

function providerSatisfies(provider: Provider, dependency: Dependency): boolean {
  if (dependency.bound === undefined) return true
  return provider.version !== undefined && admitsVersion(dependency, provider.version)
}
