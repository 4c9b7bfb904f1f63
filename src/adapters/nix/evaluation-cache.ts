import type { FoundPackage } from '#core/nix/package-outcome.ts'
import { cacheKeyOf, type CacheKey } from '#core/request/cache-key.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { Answer, WantedPackage } from './evaluation.ts'
import type { EvaluationFiles } from './evaluation-files.ts'
import type { ProvenPackages } from './made-outputs.ts'
import type { PackageSetView } from './package-set-query.ts'

// Raise this when the expressions in nix/ or what is made of their answers change.
const evaluationFormat = 4

/** A set, a system and a policy: a registry has one or two of each, and people pull old commits. */
const mostViews = 16

/** About half a kilobyte each: all views together stay below 20 MB. */
const mostPackages = 2_000

/** Long enough for an impatient `docker pull`, short enough for whoever mends something. */
const failureLifeMs = 30_000

export interface EvaluationCacheOptions {
  readonly clock: Clock
  /** Results depend on it: package sets ask for `builtins.nixVersion`. */
  readonly nixVersion: string
  /** Takes in what files hold: only proven packages are remembered. */
  readonly proven: ProvenPackages
  /** Keeps found packages over restarts. */
  readonly files?: EvaluationFiles
}

/**
 * What fixed package sets have said of packages: a set gives one name the same derivation for as
 * long as nothing of its identity, system and policy changes. Failures are kept only briefly, because
 * the machine may play a part in them; timeouts not at all.
 */
export class EvaluationCache {
  readonly #options: EvaluationCacheOptions
  readonly #views = new Map<CacheKey, Promise<RememberedView>>()

  constructor(options: EvaluationCacheOptions) {
    this.#options = options
  }

  /** What is remembered under the request's set, system and policy. */
  async view({ set, system, policy }: PackageSetView): Promise<RememberedView> {
    const key = cacheKeyOf({
      format: evaluationFormat,
      nix: this.#options.nixVersion,
      identity: set.identity,
      system,
      unfree: policy.unfree,
      broken: policy.broken,
      insecure: [...new Set(policy.insecure)].sort(),
      allowedUris: policy.allowedUris,
    })
    const view = this.#views.get(key) ?? this.#open(key)
    keepLast(this.#views, key, view, mostViews)
    return view
  }

  async #open(key: CacheKey): Promise<RememberedView> {
    const { files, clock, proven } = this.#options
    const found = (await files?.read(key)) ?? []
    for (const one of found) proven.add(one)
    return new RememberedView(key, found.slice(-mostPackages), clock, files)
  }
}

/** The answers of one set for one system under one policy. */
export class RememberedView {
  readonly key: CacheKey
  /** By name, the one used last at the end. */
  readonly #found: Map<string, FoundPackage>
  readonly #others = new Map<string, Answer>()
  readonly #clock: Clock
  readonly #files: EvaluationFiles | undefined

  constructor(
    key: CacheKey,
    found: readonly FoundPackage[],
    clock: Clock,
    files: EvaluationFiles | undefined,
  ) {
    this.key = key
    this.#found = new Map(found.map((it) => [it.package, it]))
    this.#clock = clock
    this.#files = files
  }

  find({ name, isOptional }: WantedPackage): Answer | undefined {
    const found = this.#found.get(name)
    if (found !== undefined) {
      keepLast(this.#found, name, found, mostPackages)
      return found
    }
    return this.#others.get(otherKey(name, isOptional))
  }

  forget(name: string): void {
    this.#found.delete(name)
  }

  async remember(answers: readonly Answer[]): Promise<void> {
    for (const answer of answers) {
      if (answer.kind === 'found') keepLast(this.#found, answer.package, answer, mostPackages)
      else if (answer.kind !== 'evaluation-timed-out') this.#rememberOther(answer)
    }
    if (answers.some((answer) => answer.kind === 'found')) {
      await this.#files?.write(this.key, [...this.#found.values()])
    }
  }

  #rememberOther(answer: Exclude<Answer, FoundPackage>): void {
    const isAbsent = answer.kind === 'absent'
    const key = otherKey(answer.package, isAbsent)
    keepLast(this.#others, key, answer, mostPackages)
    if (isAbsent && answer.isCertain) return
    this.#clock.after(failureLifeMs, () => {
      if (this.#others.get(key) === answer) this.#others.delete(key)
    })
  }
}

/** What an optional package is not there for may be a failure of one that must be. */
function otherKey(name: string, isOptional: boolean): string {
  return `${isOptional ? 'optional' : 'required'} ${name}`
}

/** Sets a member as the one used last, and drops the one whose last use is longest ago. */
function keepLast<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key)
  map.set(key, value)
  const oldest = map.keys().next()
  if (map.size > most && !oldest.done) map.delete(oldest.value)
}
