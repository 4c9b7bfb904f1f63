import { realpath } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import type { ProcessEnd } from '#adapters/process/run-process.ts'
import {
  explainEvaluationError,
  parseEvaluationError,
  parseNixDemand,
  type EvaluationError,
} from '#core/nix/evaluation-message.ts'
import { formatOneLine } from '#core/text/one-line.ts'
import { SetPaths } from '#core/nix/set-paths.ts'
import type { EvaluateRequest } from '#engine/ports/package-builder.ts'
import type { Nix } from './nix.ts'
import { findOperatingFailure } from './operating-failure.ts'
import type { WarmEvaluators } from './warm-evaluators.ts'

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
const refusalReason = z.enum(['unfree', 'broken', 'insecure', 'unsupported-system'])
const resultSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('found'),
    path,
    derivation: z.string(),
    outputs: z.array(z.object({ name: z.string(), path: z.string() })).min(1),
  }),
  z.object({ kind: z.literal('not-found'), path, rest: z.string() }),
  z.object({ kind: z.literal('ambiguous'), candidates: z.array(path) }),
  z.object({ kind: z.literal('not-a-derivation'), path, valueType: z.string() }),
  z.object({
    kind: z.literal('throws'),
    path,
    refusal: refusalReason.nullable(),
  }),
  z.object({
    kind: z.literal('refused'),
    path,
    reason: refusalReason,
    details: z.array(z.string()),
  }),
])
const resultsSchema = z.array(resultSchema)
const namesSchema = z.array(z.string())
const listedPackageSchema = z.object({
  name: z.string().nullable(),
  version: z.string().nullable(),
  description: z.string().nullable(),
})
const listedSchema = z.array(
  z.nullable(z.union([z.object({ names: namesSchema }), listedPackageSchema])),
)

/** What is at an attribute path, for who looks for packages; see `nix/list-packages.nix`. */
export type ListedAttribute = z.infer<typeof listedSchema>[number]

/** What a package says of itself; its name is the derivation's, with version. */
export type PackageFacts = z.infer<typeof listedPackageSchema>

export type EvaluationResult = z.infer<typeof resultSchema>

/** What the same name may mean something else under. */
export type PackageSetView = Pick<EvaluateRequest, 'set' | 'policy' | 'system'>

/** What the end of a Nix process means for the packages it was asked about. */
export type LookUpAnswer =
  | { readonly kind: 'results'; readonly results: readonly EvaluationResult[] }
  | { readonly kind: 'timed-out' }
  | LookUpError

/** An error that ended the process, in words for who asked. */
export interface LookUpError {
  readonly kind: 'error' | 'nix-too-old'
  readonly message: string
  /** Where in the set, as `default.nix:14:3`. */
  readonly where?: string | undefined
  /** What was being evaluated there, the innermost first. */
  readonly trace?: readonly string[]
  /** The set chose the words itself, so that they may name a refusal of its own. */
  readonly isOwnWords: boolean
}

/** The innermost frames tell what went wrong; those above are the same for every package. */
const keptFrames = 10

/** With them a remembered failure stays at some kilobytes. */
const frameCharacters = 200

/**
 * Questions to one package set, each answered in restricted evaluation, all before one deadline. The set is a stranger's: it reads only what it is allowed to, and package names
 * reach it as data.
 */
export class PackageSetQuery {
  readonly #nix: Nix
  readonly #warm: WarmEvaluators | undefined
  readonly #options: EvaluationOptions
  readonly #view: PackageSetView
  readonly #signal: AbortSignal
  readonly #deadlineMs: number

  constructor(
    nix: Nix,
    options: EvaluationOptions,
    view: PackageSetView,
    signal: AbortSignal,
    warm?: WarmEvaluators,
  ) {
    this.#nix = nix
    this.#warm = warm
    this.#options = options
    this.#view = view
    this.#signal = signal
    this.#deadlineMs = performance.now() + options.evaluationTimeoutMs
  }

  /** The names at one level; none when the set cannot be read, which costs only the suggestions. */
  async attributeNames(level: readonly string[]): Promise<readonly string[]> {
    const end = await this.#run('attribute-names.nix', { path: level })
    return end.kind === 'succeeded' ? namesSchema.parse(JSON.parse(end.stdout)) : []
  }

  /** What is at each of the paths; `undefined` when evaluating them did not end well. */
  async list(
    paths: readonly (readonly string[])[],
  ): Promise<readonly ListedAttribute[] | undefined> {
    const end = await this.#run('list-packages.nix', { paths })
    return end.kind === 'succeeded' ? listedSchema.parse(JSON.parse(end.stdout)) : undefined
  }

  async lookUp(
    packages: readonly string[],
    mode: { readonly catch: boolean },
  ): Promise<LookUpAnswer> {
    const answer = mode.catch ? await this.#askWarm(packages) : undefined
    if (answer !== undefined) return answer
    let error: EvaluationError | undefined
    const keepError = (line: string) => {
      error = parseEvaluationError(line) ?? error
    }
    const end = await this.#run('evaluate.nix', { packages, ...mode }, keepError)
    switch (end.kind) {
      case 'succeeded':
        return readResults(end.stdout)
      case 'timed-out':
        return { kind: 'timed-out' }
      case 'printed-too-much':
        return refusedAnswer('the package set gives an answer of more than 64 MiB')
      case 'failed':
        break
    }
    const isOutOfMemory =
      end.status === 'signal SIGABRT' || /^out of memory/i.test(error?.message ?? '')
    if (isOutOfMemory) return refusedAnswer(this.#memoryMessage())
    if (error === undefined) return unexplainedAnswer(end)
    // `tryEval` catches what a set throws, and only that.
    return !mode.catch || error.isAborted ? this.#wordsOfTheSet(error) : this.#wordsOfNix(error)
  }

  async #wordsOfTheSet(error: EvaluationError): Promise<LookUpError> {
    const demand = parseNixDemand(error.message)
    return demand === undefined
      ? { kind: 'error', isOwnWords: true, ...(await this.#inTheSet(error)) }
      : { kind: 'nix-too-old', isOwnWords: true, message: this.#tooOldFor(demand) }
  }

  /** An error of the machine has no place in a package set. */
  async #wordsOfNix(error: EvaluationError): Promise<LookUpError> {
    const operating =
      error.position === undefined ? findOperatingFailure(`error: ${error.message}`) : undefined
    if (operating) throw operating
    return { kind: 'error', isOwnWords: false, ...(await this.#inTheSet(error)) }
  }

  #tooOldFor(demand: string): string {
    const { version } = this.#nix.installation
    return `the package set needs ${demand}, and this registry has Nix ${version}; NIXERY_NIX_BIN chooses another`
  }

  #memoryMessage(): string {
    return `evaluation needs more memory than the ${this.#options.evaluationMemoryMiB} MiB it may use`
  }

  /** The error as it reads within the set; what this service's own expressions did is left out. */
  async #inTheSet({ message, position, trace }: EvaluationError) {
    const paths = new SetPaths(await withRealPaths(setPaths(this.#view)))
    const places = [{ position }, ...trace].map((it) => it.position && paths.format(it.position))
    const frames = trace.flatMap(({ text }, index) => {
      const place = places[index + 1]
      return place === undefined ? [] : [`${place}: ${paths.shorten(text)}`]
    })
    return {
      message: paths.shorten(explainEvaluationError(message)),
      where: places.find((place) => place !== undefined),
      trace: frames.slice(0, keptFrames).map((frame) => formatOneLine(frame, frameCharacters)),
    }
  }

  async #run(
    expression: string,
    request: object,
    onStderrLine: (line: string) => void = () => {},
  ): Promise<ProcessEnd> {
    const argument = JSON.stringify({ ...this.#viewArgument(), ...request })
    const { settings, environment, options } = await this.#restrictions()
    return this.#nix.call(
      {
        command: 'nix-instantiate',
        args: [
          '--eval',
          '--strict',
          '--json',
          '--read-write-mode',
          '--show-trace',
          '--log-format',
          'internal-json',
          ...options,
          join(expressionDirectory, expression),
          '--argstr',
          'request',
          argument,
        ],
        timeoutMs: this.#restMs(),
        stdoutLimitBytes,
        onStderrLine,
        settings,
        environment,
      },
      this.#signal,
    )
  }

  /**
   * The same answer from an evaluator that stays; of a set that never changes, because it would not
   * see that. `undefined` when a process of its own has to give it.
   */
  async #askWarm(packages: readonly string[]): Promise<LookUpAnswer | undefined> {
    if (this.#warm === undefined || !this.#view.set.fixed) return undefined
    const question = {
      ...(await this.#restrictions()),
      identity: this.#view.set.identity,
      expression: join(expressionDirectory, 'describe-packages.nix'),
      view: { ...this.#viewArgument(), catch: true },
    }
    const json = await this.#warm.ask(question, packages, this.#restMs(), this.#signal)
    if (json !== undefined) return readResults(json)
    return performance.now() < this.#deadlineMs ? undefined : { kind: 'timed-out' }
  }

  #viewArgument(): object {
    const { set, system, policy } = this.#view
    const { unfree, broken, insecure } = policy
    const flake = set.flake?.nodes ?? null
    return { entry: set.entry, system, policy: { unfree, broken, insecure }, flake }
  }

  /** What keeps evaluation to the set, whatever process it runs in. */
  async #restrictions() {
    const readable = await withRealPaths([expressionDirectory, ...setPaths(this.#view)])
    return {
      // The prefix keeps a path that holds `=` from being read as one.
      options: readable.flatMap((path, index) => ['-I', `nixery-${index}=${path}`]),
      settings: new Map([
        ['restrict-eval', 'true'],
        ['allow-import-from-derivation', 'false'],
        ['allowed-uris', this.#view.policy.allowedUris.join(' ')],
      ]),
      environment: new Map([['GC_MAXIMUM_HEAP_SIZE', `${this.#options.evaluationMemoryMiB}M`]]),
    }
  }

  #restMs(): number {
    return Math.max(1, this.#deadlineMs - performance.now())
  }
}

/** A derivation is what a package set calls one: its parts may be of any type. */
function readResults(stdout: string): LookUpAnswer {
  const results = resultsSchema.safeParse(JSON.parse(stdout))
  return results.success
    ? { kind: 'results', results: results.data }
    : refusedAnswer('its derivation path or outputs are not what Nix makes')
}

/** A process that ended without an error: what it printed is for the log. */
function unexplainedAnswer({ status, stderrTail }: ProcessEnd): LookUpError {
  const trace = [formatOneLine(stderrTail.slice(-frameCharacters))]
  return { ...refusedAnswer(`nix-instantiate ended with ${status}`), trace }
}

function refusedAnswer(message: string): LookUpError {
  return { kind: 'error', message, isOwnWords: false }
}

/** Where the set lies on this machine, and the inputs of a flake. */
function setPaths({ set }: PackageSetView): readonly string[] {
  const inputs = Object.values(set.flake?.nodes ?? {}).map((input) => input.path)
  return [set.entry, ...set.readablePaths, ...inputs]
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
