import { formatAttributePath } from '#core/nix/attribute-path.ts'
import { formatOneLine } from '#core/text/one-line.ts'
import { RegistrySpelling } from '#core/nix/registry-spelling.ts'
import { metaPackages } from '#core/request/image-request.ts'
import { findRefused, isDenied, namesOfPackage } from '#core/request/package-policy.ts'
import type { ListedPackage } from '#engine/ports/package-search.ts'
import { openNix, type Nix, type NixOptions } from './nix.ts'
import {
  PackageSetQuery,
  type ListedAttribute,
  type PackageFacts,
  type PackageSetView,
} from './package-set-query.ts'
import { findTopLevelNames } from './top-level-names.ts'

/** What listing one package set may take. */
export interface ListingLimits {
  /** For one evaluation, beside what its attributes may take. */
  readonly evaluationTimeoutMs: number
  readonly attributeTimeoutMs: number
  readonly evaluationMemoryMiB: number
  /** What is not listed by then is left out. */
  readonly listingTimeoutMs: number
  /** Attributes that are looked at; deeper ones are left out first. */
  readonly mostPaths: number
}

export type ListOutcome =
  /** `left` attributes could not be evaluated. */
  | { readonly kind: 'listed'; readonly left: number }
  /** One line: why nothing of the set can be listed, for a reason that may pass, or always. */
  | { readonly kind: 'unlistable'; readonly message: string; readonly mayPass: boolean }

/** Takes some of the packages. */
type TakePackages = (packages: readonly ListedPackage[]) => void

// 4,000 packages of nixpkgs take some ten seconds and less than 1 GiB; the machine may be busy, and
// listing gives way to all else. nixpkgs has 100,000 attributes at its top level, and as many again in sets.
export const usualLimits: ListingLimits = {
  evaluationTimeoutMs: 60_000,
  attributeTimeoutMs: 15,
  evaluationMemoryMiB: 2048,
  listingTimeoutMs: 60 * 60_000,
  mostPaths: 400_000,
}

/** One evaluation keeps all that it looks at in memory. */
const mostPathsAtOnce = 4_000

/** Linux takes arguments of 128 KiB; the rest is for the request around the paths. */
const mostBytesAtOnce = 96 * 1024

/** What fails is divided by eight: one bad attribute among 4,000 makes five evaluations fail. */
const partsOfFailed = 8

/** Of a set where more goes wrong, whole parts are left out. */
const mostFailures = 200

type AttributePath = readonly string[]

/** An attribute that a name leads to. */
interface NamedAttribute {
  readonly path: AttributePath
  readonly name: string
  /** Where it lies. */
  readonly level: RegistrySpelling
}

/**
 * Lists the packages of a set that names lead to and that the policy serves: those at its top level,
 * and in sets that say `recurseForDerivations`, as deep as `nix/list-packages.nix` goes.
 */
export async function listPackages(
  options: NixOptions,
  view: PackageSetView,
  take: TakePackages,
  signal: AbortSignal,
  limits: ListingLimits = usualLimits,
): Promise<ListOutcome> {
  return new Listing(await openNix(options), view, limits, signal).run(take)
}

/** One listing, an evaluation after the other. */
class Listing {
  readonly #nix: Nix
  readonly #view: PackageSetView
  readonly #limits: ListingLimits
  readonly #signal: AbortSignal
  readonly #deadlineMs: number
  #asked = 0
  #failures = 0
  #left = 0

  constructor(nix: Nix, view: PackageSetView, limits: ListingLimits, signal: AbortSignal) {
    this.#nix = nix
    this.#view = view
    this.#limits = limits
    this.#signal = signal
    this.#deadlineMs = performance.now() + limits.listingTimeoutMs
  }

  async run(take: TakePackages): Promise<ListOutcome> {
    const top = await findTopLevelNames(this.#query(mostPathsAtOnce))
    if (top.kind === 'unreadable') {
      const { message, mayPass } = top
      return { kind: 'unlistable', message: `the package set ${message}`, mayPass }
    }
    let level = namedAttributes(RegistrySpelling.ofTopLevel(top.names), [])
    // What is deeper comes later, so that it is what is left out of too much.
    while (level.length > 0) level = await this.#listLevel(level, take)
    return { kind: 'listed', left: this.#left }
  }

  /** Lists attributes; gives those that lie in the sets among them. */
  async #listLevel(
    named: readonly NamedAttribute[],
    take: TakePackages,
  ): Promise<readonly NamedAttribute[]> {
    const asked = named.slice(0, this.#limits.mostPaths)
    this.#asked += asked.length
    this.#left += named.length - asked.length
    const inner: NamedAttribute[] = []
    // The last is the next: parts of what failed come at once, so that little waits.
    const chunks = divide(asked, mostPathsAtOnce).toReversed()
    for (let chunk = chunks.pop(); chunk !== undefined; chunk = chunks.pop()) {
      const answers = await this.#ask(chunk)
      if (answers === undefined) {
        chunks.push(...this.#partsOf(chunk))
        continue
      }
      const packages: ListedPackage[] = []
      for (const [index, answer] of answers.entries()) {
        const { path, name } = chunk[index]!
        if (answer === null) continue
        if ('names' in answer) {
          const room = this.#limits.mostPaths - this.#asked - inner.length
          for (const member of this.#membersOf(chunk[index]!, answer.names, room))
            inner.push(member)
        } else if (this.#isServed(path, name, answer.name ?? ''))
          packages.push(listedPackage(path, name, answer))
      }
      if (packages.length > 0) take(packages)
    }
    return inner
  }

  /** A set that contains itself has more members at each level than memory holds: the rest is left out. */
  #membersOf(
    { path, level }: NamedAttribute,
    attributes: readonly string[],
    room: number,
  ): readonly NamedAttribute[] {
    if (room === 0) {
      this.#left += attributes.length
      return []
    }
    const members = namedAttributes(level.within(path.at(-1)!, attributes), path)
    this.#left += Math.max(0, members.length - room)
    return members.slice(0, room)
  }

  async #ask(named: readonly NamedAttribute[]): Promise<readonly ListedAttribute[] | undefined> {
    if (performance.now() > this.#deadlineMs) return undefined
    return this.#query(named.length).list(named.map(({ path }) => path))
  }

  /** What to try of paths that were in vain together; what is not tried again is left out. */
  #partsOf(failed: readonly NamedAttribute[]): readonly (readonly NamedAttribute[])[] {
    this.#failures += 1
    const isHopeless = this.#failures > mostFailures || performance.now() > this.#deadlineMs
    if (failed.length > 1 && !isHopeless)
      return divide(failed, Math.ceil(failed.length / partsOfFailed))
    this.#left += failed.length
    return []
  }

  #query(pathCount: number): PackageSetQuery {
    const { evaluationTimeoutMs, attributeTimeoutMs, evaluationMemoryMiB } = this.#limits
    const limits = {
      evaluationTimeoutMs: evaluationTimeoutMs + pathCount * attributeTimeoutMs,
      evaluationMemoryMiB,
    }
    return new PackageSetQuery(this.#nix, limits, this.#view, this.#signal)
  }

  #isServed(path: AttributePath, name: string, derivationName: string): boolean {
    const { policy } = this.#view
    return (
      // Alone, it would ask for something else.
      !metaPackages.includes(name) &&
      findRefused(policy, { packages: [name], askedPackages: [name] }) === undefined &&
      !isDenied(policy, namesOfPackage(path, derivationName))
    )
  }
}

/** What names lead to at a level, which lies at `path`. */
function namedAttributes(level: RegistrySpelling, path: AttributePath): readonly NamedAttribute[] {
  return [...level.names()].map(([attribute, name]) => ({
    path: [...path, attribute],
    name,
    level,
  }))
}

/** Parts that an evaluation can be asked for, in order. */
function divide(named: readonly NamedAttribute[], most: number): (readonly NamedAttribute[])[] {
  const parts: NamedAttribute[][] = []
  let bytes = Infinity
  for (const each of named) {
    // Names that lead somewhere are ASCII, and a comma is between two.
    const size = JSON.stringify(each.path).length + 1
    const last = parts.at(-1)
    bytes += size
    if (last === undefined || last.length === most || bytes > mostBytesAtOnce) {
      parts.push([each])
      bytes = size
    } else last.push(each)
  }
  return parts
}

/** What people read at a glance; a set may put anything there. */
const versionCharacters = 80
const descriptionCharacters = 300

function listedPackage(
  path: AttributePath,
  name: string,
  { version, description }: PackageFacts,
): ListedPackage {
  const shownVersion = firstLine(version, versionCharacters)
  const shownDescription = firstLine(description, descriptionCharacters)
  return {
    name,
    attributePath: formatAttributePath(path),
    ...(shownVersion !== '' && { version: shownVersion }),
    ...(shownDescription !== '' && { description: shownDescription }),
  }
}

function firstLine(text: string | null, limit: number): string {
  const [line = ''] = (text ?? '').trim().split('\n', 1)
  return formatOneLine(line.replaceAll(/\p{Cc}+/gu, ' '), limit)
}
