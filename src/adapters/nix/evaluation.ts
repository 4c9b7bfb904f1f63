import { realpath } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import { formatAttributePath } from '#core/nix/attribute-path.ts'
import { classifyEvaluationError, parseEvaluationError } from '#core/nix/evaluation-message.ts'
import type { PackageFailure, PackageOutcome, PackageOutput } from '#core/nix/package-outcome.ts'
import { parseStorePath } from '#core/nix/store-path.ts'
import type { System } from '#core/nix/system.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { EvaluateRequest, PinnedSource } from '#engine/ports/package-builder.ts'
import { NameSuggestions } from './name-suggestions.ts'
import { findOperatingFailure } from './operating-failure.ts'
import type { Nix } from './nix.ts'
import type { ProcessEnd } from './run-process.ts'

/** The expressions that the service runs. */
const expressionDirectory = join(import.meta.dirname, '../../../nix')

/** 80,000 attribute names are 2 MB; an answer that is longer is not one. */
const stdoutLimitBytes = 64 * 1024 * 1024

export interface EvaluationOptions {
  /** For one call of `evaluate`, whatever number of processes it takes. */
  readonly evaluationTimeoutMs: number
  /** What one evaluation may allocate. nixpkgs takes about 1 GiB for large packages. */
  readonly evaluationMemoryMiB: number
}

const path = z.array(z.string())
const resultSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('found'),
    path,
    derivation: z.string(),
    outputs: z.array(z.object({ name: z.string(), path: z.string() })).min(1),
  }),
  z.object({ kind: z.literal('not-found'), path, rest: z.string() }),
  z.object({ kind: z.literal('ambiguous'), candidates: z.array(path) }),
  z.object({ kind: z.literal('not-a-derivation'), path }),
  z.object({
    kind: z.literal('throws'),
    path,
    refusal: z.enum(['unfree', 'broken', 'insecure', 'unsupported-system']).nullable(),
  }),
])
const resultsSchema = z.array(resultSchema)
const namesSchema = z.array(z.string())

type Wanted = Pick<EvaluateRequest, 'packages' | 'optionalPackages'>
type EvaluationResult = z.infer<typeof resultSchema>

/** What the end of a Nix process means for the packages it was asked about. */
type Answer =
  | { readonly kind: 'results'; readonly results: readonly EvaluationResult[] }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'error'; readonly message: string }

/** Looks up packages in package sets of strangers. */
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
    const evaluation = new Evaluation(this.#nix, this.#options, this.#suggestions, request, signal)
    return evaluation.outcomes(request)
  }
}

/** One call of `evaluate`: one source and system, one deadline. */
class Evaluation {
  readonly #nix: Nix
  readonly #options: EvaluationOptions
  readonly #suggestions: NameSuggestions
  readonly #source: PinnedSource
  readonly #system: System
  readonly #signal: AbortSignal
  readonly #deadlineMs: number

  constructor(
    nix: Nix,
    options: EvaluationOptions,
    suggestions: NameSuggestions,
    { source, system }: EvaluateRequest,
    signal: AbortSignal,
  ) {
    this.#nix = nix
    this.#options = options
    this.#suggestions = suggestions
    this.#source = source
    this.#system = system
    this.#signal = signal
    this.#deadlineMs = performance.now() + options.evaluationTimeoutMs
  }

  /**
   * All packages in one process. When one of them ends it (`abort`, a type error, endless
   * recursion: `tryEval` catches none of these), each gets a process of its own.
   */
  async outcomes({ packages, optionalPackages }: Wanted): Promise<readonly PackageOutcome[]> {
    const names = [...packages, ...optionalPackages]
    if (names.length === 0) return []
    const answer = await this.#ask(names, { catch: true })
    switch (answer.kind) {
      case 'results':
        return this.#outcomesOf(names, packages.length, answer.results)
      case 'timed-out':
        // An optional package counts too: an image without it must not be what a slow moment gives.
        return names.map((name) => this.#timedOut(name))
      case 'error':
        break
    }
    const [only] = packages
    if (only !== undefined && names.length === 1) return [failureOf(only, answer.message)]
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
        return { kind: 'not-found', package: name, nearNames: await this.#nearNames(name, result) }
      case 'ambiguous':
        return {
          kind: 'ambiguous',
          package: name,
          candidates: result.candidates.map(formatAttributePath).sort(),
        }
      case 'not-a-derivation':
        return { kind: 'not-a-derivation', package: name }
      case 'throws':
        break
    }
    return this.#thrownFailure(name, result.refusal)
  }

  /** `tryEval` keeps no message, so the package is evaluated again without it. */
  async #thrownFailure(
    name: string,
    refusal: (EvaluationResult & { kind: 'throws' })['refusal'],
  ): Promise<PackageFailure> {
    const answer = await this.#ask([name], { catch: false })
    if (answer.kind === 'timed-out') return this.#timedOut(name)
    const message = answer.kind === 'error' ? answer.message : 'evaluation fails now and then'
    return failureOf(name, message, refusal ?? undefined)
  }

  #timedOut(name: string): PackageFailure {
    const seconds = this.#options.evaluationTimeoutMs / 1000
    const message = `evaluation took longer than ${seconds} s`
    return { kind: 'evaluation-timed-out', package: name, message }
  }

  async #nearNames(
    name: string,
    { path, rest }: { path: readonly string[]; rest: string },
  ): Promise<readonly string[]> {
    return this.#suggestions.suggest({ name, path, rest }, this.#source, this.#system, (level) =>
      this.#attributeNames(level),
    )
  }

  /** The names at one level; none when the set cannot be read, which costs only the suggestions. */
  async #attributeNames(level: readonly string[]): Promise<readonly string[]> {
    const end = await this.#run('attribute-names.nix', { path: level })
    return end.kind === 'succeeded' ? namesSchema.parse(JSON.parse(end.stdout)) : []
  }

  async #ask(packages: readonly string[], mode: { readonly catch: boolean }): Promise<Answer> {
    const end = await this.#run('evaluate.nix', { packages, ...mode })
    switch (end.kind) {
      case 'succeeded':
        return { kind: 'results', results: resultsSchema.parse(JSON.parse(end.stdout)) }
      case 'timed-out':
        return { kind: 'timed-out' }
      case 'printed-too-much':
        return { kind: 'error', message: 'the package set gives an answer of more than 64 MiB' }
      case 'failed':
        break
    }
    const operating = findOperatingFailure(lastError(end.stderrTail))
    if (operating?.code === 'NIX_TOO_OLD') {
      const { version } = this.#nix.installation
      throw new OperatingError('NIX_TOO_OLD', `${operating.message} (this is Nix ${version})`)
    }
    if (operating) throw operating
    return { kind: 'error', message: this.#errorMessage(end) }
  }

  #errorMessage(end: ProcessEnd): string {
    const message = parseEvaluationError(end.stderrTail)
    if (/out of memory/i.test(message) || end.status === 'signal SIGABRT') {
      return `evaluation needs more memory than the ${this.#options.evaluationMemoryMiB} MiB it may use`
    }
    if (message !== '') return message
    return `nix-instantiate ended with ${end.status}`
  }

  async #run(expression: string, request: object): Promise<ProcessEnd> {
    const { entry } = this.#source
    const argument = JSON.stringify({ entry, system: this.#system, ...request })
    const readable = await withRealPaths([
      expressionDirectory,
      entry,
      ...this.#source.readablePaths,
    ])
    return this.#nix.call(
      {
        command: 'nix-instantiate',
        args: [
          '--eval',
          '--strict',
          '--json',
          '--read-write-mode',
          // The prefix keeps a path that holds `=` from being read as one.
          ...readable.flatMap((path, index) => ['-I', `nixery-${index}=${path}`]),
          join(expressionDirectory, expression),
          '--argstr',
          'request',
          argument,
        ],
        timeoutMs: Math.max(1, this.#deadlineMs - performance.now()),
        stdoutLimitBytes,
        settings: new Map([
          ['restrict-eval', 'true'],
          ['allow-import-from-derivation', 'false'],
        ]),
        environment: new Map([['GC_MAXIMUM_HEAP_SIZE', `${this.#options.evaluationMemoryMiB}M`]]),
      },
      this.#signal,
    )
  }
}

function failureOf(
  name: string,
  message: string,
  refusal?: ReturnType<typeof classifyEvaluationError>,
): PackageFailure {
  return { kind: refusal ?? classifyEvaluationError(message), package: name, message }
}

function foundPackage(name: string, result: EvaluationResult & { kind: 'found' }): PackageOutcome {
  const derivation = parseStorePath(result.derivation)
  const outputs = result.outputs.map(parseOutput)
  if (!derivation?.endsWith('.drv') || !outputs.every((output) => output !== undefined)) {
    return failureOf(name, 'its derivation or outputs have no fixed path in the store')
  }
  return { kind: 'found', package: name, attributePath: result.path, derivation, outputs }
}

function parseOutput(output: { name: string; path: string }): PackageOutput | undefined {
  const path = parseStorePath(output.path)
  // Names become part of a Nix argument (`x.drv!out`).
  return path && /^[-+._?=a-zA-Z0-9]+$/.test(output.name) ? { name: output.name, path } : undefined
}

/** A package set may say anything in a trace; only Nix's own last error tells of the machine. */
function lastError(stderr: string): string {
  return `error: ${parseEvaluationError(stderr)}`
}

/** Restricted evaluation compares with symbolic links resolved too, so both spellings are allowed. */
async function withRealPaths(paths: readonly string[]): Promise<string[]> {
  const spellings = paths.map(async (path) => [path, await realPathOf(path)])
  return [...new Set((await Promise.all(spellings)).flat())]
}

async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    // Nix names the missing path in its own error, which reaches whoever asked.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw error
  }
}
