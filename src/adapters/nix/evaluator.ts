import type { FoundPackage, PackageOutcome } from '#core/nix/package-outcome.ts'
import type { StorePath } from '#core/nix/store-path.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { EvaluateRequest } from '#engine/ports/package-builder.ts'
import { SharedWork } from '#adapters/concurrency/shared-work.ts'
import { Evaluation, type Answer, type WantedPackage } from './evaluation.ts'
import type { EvaluationCache, RememberedView } from './evaluation-cache.ts'
import { invalidPaths } from './invalid-paths.ts'
import { namesOnly, queryMadeOutputs, type ProvenPackages } from './made-outputs.ts'
import { NameSuggestions, type MissingName } from './name-suggestions.ts'
import type { Nix } from './nix.ts'
import type { StoreQuestions } from './store-questions.ts'
import { PackageSetQuery, type EvaluationOptions } from './package-set-query.ts'
import type { WarmEvaluators } from './warm-evaluators.ts'

export interface EvaluatorTools {
  readonly nix: Nix
  readonly store: StoreQuestions
  readonly warm: WarmEvaluators | undefined
  /** Takes in what is remembered. */
  readonly proven: ProvenPackages
}

/** Looks up packages in package sets; those of fixed sets only once, where there is a cache. */
export class Evaluator {
  readonly #tools: EvaluatorTools
  readonly #options: EvaluationOptions
  readonly #cache: EvaluationCache | undefined
  readonly #suggestions = new NameSuggestions()
  readonly #asking = new SharedWork<readonly Answer[]>()

  constructor(tools: EvaluatorTools, options: EvaluationOptions, cache?: EvaluationCache) {
    this.#tools = tools
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
      await view.remember(await this.#proveAnswers(answers, until))
      return answers
    }
    const asked = await this.#asking.run(JSON.stringify([view.key, unknown]), ask, signal)
    const rest = asked.values()
    return known.flatMap((answer) => answer ?? rest.next().value ?? [])
  }

  /**
   * A package counts only while its derivation is in the store, or all that it is wanted for: Nix may
   * have collected either as garbage.
   */
  async #forgetCollected(
    view: RememberedView,
    wanted: readonly WantedPackage[],
    signal: AbortSignal,
  ): Promise<void> {
    const found = wanted.map((one) => view.find(one)).filter((answer) => isFound(answer))
    if (found.length === 0) return
    const { nix, store } = this.#tools
    const derivations = found.map(({ derivation }) => derivation)
    const outputs = found.flatMap((it) => it.outputs.map(({ path }) => path))
    const valid =
      (await store.ask((session) => session.validPaths([...derivations, ...outputs]), signal)) ??
      // Commands make no roots of what has no derivation, so outputs do not count.
      new Set(derivations).difference(await invalidPaths(nix, store, derivations, signal))
    for (const answer of found) {
      if (!valid.has(answer.derivation) && !namesOnly(answer, valid)) view.forget(answer.package)
    }
  }

  /**
   * Leaves out packages with outputs that their derivations do not make: what is remembered may
   * outlive the derivation, and nobody could tell any more.
   */
  async #proveAnswers(answers: readonly Answer[], signal: AbortSignal): Promise<readonly Answer[]> {
    const { nix, store, warm, proven } = this.#tools
    const found = answers.filter((answer) => isFound(answer))
    if (found.length === 0) return answers
    const made = await queryMadeOutputs(nix, store, found, signal).catch(async (error: unknown) => {
      if (!(error instanceof OperatingError)) throw error
      // A collector was faster: it is evaluated another time. Evaluators that stay write a derivation once,
      // and would go on to name those that their daemon no longer holds for them.
      await warm?.endAll()
      return new Map<StorePath, ReadonlySet<string>>()
    })
    return answers.filter((answer) => {
      if (!isFound(answer)) return true
      const isProven = namesOnly(answer, made.get(answer.derivation))
      if (isProven) proven.add(answer)
      return isProven
    })
  }

  #ask(
    request: EvaluateRequest,
    wanted: readonly WantedPackage[],
    signal: AbortSignal,
  ): Promise<readonly Answer[]> {
    const { nix, warm } = this.#tools
    const query = new PackageSetQuery(nix, this.#options, request, signal, warm)
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
