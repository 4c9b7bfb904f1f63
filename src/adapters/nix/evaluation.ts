import { formatAttributePath } from '#core/nix/attribute-path.ts'
import { classifyEvaluationError } from '#core/nix/evaluation-message.ts'
import type { PackageFailure, PackageOutcome, PackageOutput } from '#core/nix/package-outcome.ts'
import { formatRefusal, type RefusalReason } from '#core/nix/refusal-message.ts'
import { parseStorePath } from '#core/nix/store-path.ts'
import type { EvaluateRequest } from '#engine/ports/package-builder.ts'
import { NameSuggestions, type MissingName } from './name-suggestions.ts'
import type { Nix } from './nix.ts'
import {
  PackageSetQuery,
  type EvaluationOptions,
  type EvaluationResult,
  type LookUpAnswer,
} from './package-set-query.ts'

type Wanted = Pick<EvaluateRequest, 'packages' | 'optionalPackages'>

/** Looks up packages in package sets. */
export class Evaluator {
  readonly #nix: Nix
  readonly #options: EvaluationOptions
  readonly #suggestions = new NameSuggestions()

  constructor(nix: Nix, options: EvaluationOptions) {
    this.#nix = nix
    this.#options = options
  }

  async evaluate(
    request: EvaluateRequest,
    signal: AbortSignal,
  ): Promise<readonly PackageOutcome[]> {
    const query = new PackageSetQuery(this.#nix, this.#options, request, signal)
    const near = (missing: MissingName) =>
      this.#suggestions.suggest(missing, request.set, request.system, (level) =>
        query.attributeNames(level),
      )
    return new Evaluation(query, near, this.#options.evaluationTimeoutMs).outcomes(request)
  }
}

type SuggestNames = (missing: MissingName) => Promise<readonly string[]>

/** One call of `evaluate`: what the answers of the package set mean for each package. */
class Evaluation {
  readonly #query: PackageSetQuery
  readonly #suggestNames: SuggestNames
  readonly #timeoutMs: number

  constructor(query: PackageSetQuery, suggestNames: SuggestNames, timeoutMs: number) {
    this.#query = query
    this.#suggestNames = suggestNames
    this.#timeoutMs = timeoutMs
  }

  /**
   * All packages in one process. When one of them ends it (`abort`, a type error, endless
   * recursion: `tryEval` catches none of these), each gets a process of its own.
   */
  async outcomes({ packages, optionalPackages }: Wanted): Promise<readonly PackageOutcome[]> {
    const names = [...packages, ...optionalPackages]
    if (names.length === 0) return []
    const answer = await this.#query.lookUp(names, { catch: true })
    switch (answer.kind) {
      case 'results':
        return this.#outcomesOf(names, packages.length, answer.results)
      case 'timed-out':
        // An optional package counts too: an image without it must not be what a slow moment gives.
        return names.map((name) => this.#timedOut(name))
      case 'error':
      case 'nix-too-old':
        break
    }
    const [only] = packages
    if (only !== undefined && names.length === 1) return [failureOf(only, answer)]
    return names.length === 1 ? [] : this.#outcomesOneByOne(packages, optionalPackages)
  }

  async #outcomesOneByOne(
    packages: readonly string[],
    optionalPackages: readonly string[],
  ): Promise<readonly PackageOutcome[]> {
    const outcomes: PackageOutcome[] = []
    for (const name of packages) {
      outcomes.push(...(await this.outcomes({ packages: [name], optionalPackages: [] })))
    }
    for (const name of optionalPackages) {
      outcomes.push(...(await this.outcomes({ packages: [], optionalPackages: [name] })))
    }
    return outcomes
  }

  async #outcomesOf(
    names: readonly string[],
    requiredCount: number,
    results: readonly EvaluationResult[],
  ): Promise<readonly PackageOutcome[]> {
    const outcomes: PackageOutcome[] = []
    for (const [index, result] of results.entries()) {
      // Looking for near names of an optional package would be work for nobody.
      if (index >= requiredCount && result.kind !== 'found') continue
      outcomes.push(await this.#outcomeOf(names[index]!, result))
    }
    return outcomes
  }

  async #outcomeOf(name: string, result: EvaluationResult): Promise<PackageOutcome> {
    switch (result.kind) {
      case 'found':
        return foundPackage(name, result)
      case 'not-found':
        return {
          kind: 'not-found',
          package: name,
          nearNames: await this.#suggestNames({ name, path: result.path, rest: result.rest }),
        }
      case 'ambiguous':
        return {
          kind: 'ambiguous',
          package: name,
          candidates: result.candidates.map(formatAttributePath).sort(),
        }
      case 'not-a-derivation':
        return { kind: 'not-a-derivation', package: name }
      case 'refused':
        return {
          kind: result.reason,
          package: name,
          message: formatRefusal(result.reason, result.details),
        }
      case 'throws':
        break
    }
    return this.#thrownFailure(name, result.refusal)
  }

  /** `tryEval` keeps no message, so the package is evaluated again without it. */
  async #thrownFailure(name: string, refusal: RefusalReason | null): Promise<PackageFailure> {
    const answer = await this.#query.lookUp([name], { catch: false })
    if (answer.kind === 'timed-out') return this.#timedOut(name)
    if (answer.kind === 'results') return unreadable(name, 'evaluation fails now and then')
    return failureOf(name, answer, refusal ?? undefined)
  }

  #timedOut(name: string): PackageFailure {
    const seconds = this.#timeoutMs / 1000
    const message = `evaluation took longer than ${seconds} s`
    return { kind: 'evaluation-timed-out', package: name, message }
  }
}

function failureOf(
  name: string,
  { kind, message }: Extract<LookUpAnswer, { readonly message: string }>,
  refusal?: RefusalReason,
): PackageFailure {
  const known = kind === 'error' ? classifyEvaluationError(message) : kind
  return { kind: refusal ?? known, package: name, message }
}

function unreadable(name: string, message: string): PackageFailure {
  return { kind: 'evaluation-error', package: name, message }
}

function foundPackage(name: string, result: EvaluationResult & { kind: 'found' }): PackageOutcome {
  const derivation = parseStorePath(result.derivation)
  const outputs = result.outputs.map(parseOutput)
  if (!derivation?.endsWith('.drv') || !outputs.every((output) => output !== undefined)) {
    return unreadable(name, 'its derivation or outputs have no fixed path in the store')
  }
  return { kind: 'found', package: name, attributePath: result.path, derivation, outputs }
}

function parseOutput(output: { name: string; path: string }): PackageOutput | undefined {
  const path = parseStorePath(output.path)
  // Names become part of a Nix argument (`x.drv!out`).
  return path && /^[-+._?=a-zA-Z0-9]+$/.test(output.name) ? { name: output.name, path } : undefined
}
