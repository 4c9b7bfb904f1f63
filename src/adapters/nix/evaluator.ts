import type { FoundPackage, PackageOutcome } from '#core/nix/package-outcome.ts'
import type { EvaluateRequest } from '#engine/ports/package-builder.ts'
import { SharedWork } from '#adapters/concurrency/shared-work.ts'
import { Evaluation, type Answer, type WantedPackage } from './evaluation.ts'
import type { EvaluationCache, RememberedView } from './evaluation-cache.ts'
import { invalidPaths } from './invalid-paths.ts'
import { NameSuggestions, type MissingName } from './name-suggestions.ts'
import type { Nix } from './nix.ts'
import type { StoreQuestions } from './store-questions.ts'
import { PackageSetQuery, type EvaluationOptions } from './package-set-query.ts'

/** Looks up packages in package sets; those of fixed sets only once, where there is a cache. */
export class Evaluator {
  readonly #nix: Nix
  readonly #store: StoreQuestions
  readonly #options: EvaluationOptions
  readonly #cache: EvaluationCache | undefined
  readonly #suggestions = new NameSuggestions()
  readonly #asking = new SharedWork<readonly Answer[]>()

  constructor(
    nix: Nix,
    store: StoreQuestions,
    options: EvaluationOptions,
    cache?: EvaluationCache,
  ) {
    this.#nix = nix
    this.#store = store
    this.#options = options
    this.#cache = cache
  }

  async evaluate(
    request: EvaluateRequest,
    signal: AbortSignal,
  ): Promise<readonly PackageOutcome[]> {
    const wanted = [
      ...request.packages.map((name) => ({ name, isOptional: false })),
      ...request.optionalPackages.map((name) => ({ name, isOptional: true })),
    ]
    const answers =
      this.#cache !== undefined && request.set.fixed
        ? await this.#answersWith(this.#cache, request, wanted, signal)
        : await this.#ask(request, wanted, signal)
    return answers.filter((answer) => answer.kind !== 'absent')
  }

  /** What is remembered, and the rest from one evaluation that equal requests share. */
  async #answersWith(
    cache: EvaluationCache,
    request: EvaluateRequest,
    wanted: readonly WantedPackage[],
    signal: AbortSignal,
  ): Promise<readonly Answer[]> {
    const view = await cache.view(request)
    await this.#forgetCollected(view, wanted, signal)
    const known = wanted.map((one) => view.find(one))
    const unknown = wanted.filter((_, index) => known[index] === undefined)
    if (unknown.length === 0) return known.filter((answer) => answer !== undefined)
    const ask = async (until: AbortSignal) => {
      const answers = await this.#ask(request, unknown, until)
      await view.remember(answers)
      return answers
    }
    const asked = await this.#asking.run(JSON.stringify([view.key, unknown]), ask, signal)
    const rest = asked.values()
    return known.flatMap((answer) => answer ?? rest.next().value ?? [])
  }

  /** A derivation counts only while it is in the store: Nix may have collected it as garbage. */
  async #forgetCollected(
    view: RememberedView,
    wanted: readonly WantedPackage[],
    signal: AbortSignal,
  ): Promise<void> {
    const found = wanted.map((one) => view.find(one)).filter((answer) => isFound(answer))
    if (found.length === 0) return
    const derivations = found.map(({ derivation }) => derivation)
    const lost = await invalidPaths(this.#nix, this.#store, derivations, signal)
    for (const answer of found) {
      if (lost.has(answer.derivation)) view.forget(answer.package)
    }
  }

  #ask(
    request: EvaluateRequest,
    wanted: readonly WantedPackage[],
    signal: AbortSignal,
  ): Promise<readonly Answer[]> {
    const query = new PackageSetQuery(this.#nix, this.#options, request, signal)
    const near = (missing: MissingName) =>
      this.#suggestions.suggest(missing, request.set, request.system, (level) =>
        query.attributeNames(level),
      )
    return new Evaluation(query, near, this.#options.evaluationTimeoutMs).answers(wanted)
  }
}

function isFound(answer: Answer | undefined): answer is FoundPackage {
  return answer?.kind === 'found'
}
