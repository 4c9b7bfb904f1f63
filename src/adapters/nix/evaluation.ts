import { formatAttributePath } from '#core/nix/attribute-path.ts'
import {
  classifyEvaluationError,
  explainUnsupported,
  formatEvaluationError,
} from '#core/nix/evaluation-message.ts'
import type { PackageFailure, PackageOutcome, PackageOutput } from '#core/nix/package-outcome.ts'
import { formatRefusal, type RefusalReason } from '#core/nix/refusal-message.ts'
import { parseStorePath } from '#core/nix/store-path.ts'
import type { MissingName } from './name-suggestions.ts'
import type { EvaluationResult, LookUpError, PackageSetQuery } from './package-set-query.ts'

/** One package of a request. */
export interface WantedPackage {
  readonly name: string
  /** It comes along where the set has it; whatever else it gives is no outcome. */
  readonly isOptional: boolean
}

/** What evaluation says of one wanted package. */
export type Answer = PackageOutcome | AbsentPackage

/** An optional package that does not come along. */
export interface AbsentPackage {
  readonly kind: 'absent'
  readonly package: string
  /** The set has no such package, in so many words; otherwise evaluation failed. */
  readonly isCertain: boolean
}

export type SuggestNames = (missing: MissingName) => Promise<readonly string[]>

/** One call of `evaluate`: what the answers of the package set mean for each package. */
export class Evaluation {
  readonly #query: PackageSetQuery
  readonly #suggestNames: SuggestNames
  readonly #timeoutMs: number

  constructor(query: PackageSetQuery, suggestNames: SuggestNames, timeoutMs: number) {
    this.#query = query
    this.#suggestNames = suggestNames
    this.#timeoutMs = timeoutMs
  }

  /**
   * All packages in one process, an answer for each in their order. When one of them ends it
   * (`abort`, a type error, endless recursion: `tryEval` catches none of these), each gets a process
   * of its own.
   */
  async answers(wanted: readonly WantedPackage[]): Promise<readonly Answer[]> {
    const [first] = wanted
    if (first === undefined) return []
    const names = wanted.map(({ name }) => name)
    const answer = await this.#query.lookUp(names, { catch: true })
    switch (answer.kind) {
      case 'results':
        return this.#answersOf(wanted, answer.results)
      case 'timed-out':
        // An optional package counts too: an image without it must not be what a slow moment gives.
        return names.map((name) => this.#timedOut(name))
      case 'error':
      case 'nix-too-old':
        break
    }
    return wanted.length === 1 ? [refusedAnswer(first, answer)] : this.#answersOneByOne(wanted)
  }

  async #answersOneByOne(wanted: readonly WantedPackage[]): Promise<readonly Answer[]> {
    const answers: Answer[] = []
    for (const one of wanted) answers.push(...(await this.answers([one])))
    return answers
  }

  async #answersOf(
    wanted: readonly WantedPackage[],
    results: readonly EvaluationResult[],
  ): Promise<readonly Answer[]> {
    const answers: Answer[] = []
    for (const [index, result] of results.entries()) {
      const { name, isOptional } = wanted[index]!
      answers.push(isOptional ? optionalAnswer(name, result) : await this.#outcomeOf(name, result))
    }
    return answers
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
        return { kind: 'not-a-derivation', package: name, valueType: result.valueType }
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

/** Looking for near names or messages of an optional package would be work for nobody. */
function optionalAnswer(name: string, result: EvaluationResult): Answer {
  if (result.kind !== 'found') return absent(name, result.kind !== 'throws')
  const outcome = foundPackage(name, result)
  return outcome.kind === 'found' ? outcome : absent(name, false)
}

function refusedAnswer({ name, isOptional }: WantedPackage, answer: LookUpError): Answer {
  return isOptional ? absent(name, false) : failureOf(name, answer)
}

function absent(name: string, isCertain: boolean): AbsentPackage {
  return { kind: 'absent', package: name, isCertain }
}

function failureOf(name: string, answer: LookUpError, noted?: RefusalReason): PackageFailure {
  const { message, where, trace = [] } = answer
  const kind = noted ?? kindOf(answer)
  const isError = kind === 'evaluation-error'
  return {
    kind,
    package: name,
    message: formatEvaluationError(
      kind === 'unsupported-system' ? explainUnsupported(message) : message,
      // A refusal is no mistake that somebody would look for.
      isError ? where : undefined,
    ),
    ...(isError && trace.length > 0 && { trace }),
  }
}

function kindOf({ kind, message, isOwnWords }: LookUpError) {
  if (kind === 'nix-too-old') return kind
  return isOwnWords ? classifyEvaluationError(message) : 'evaluation-error'
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
