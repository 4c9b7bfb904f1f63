import { realpath } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import type { ProcessEnd } from '#adapters/process/run-process.ts'
import { parseEvaluationError, parseNixDemand } from '#core/nix/evaluation-message.ts'
import type { EvaluateRequest } from '#engine/ports/package-builder.ts'
import type { Nix } from './nix.ts'
import { findOperatingFailure } from './operating-failure.ts'

/** The expressions that the service runs. */
const expressionDirectory = join(import.meta.dirname, '../../../nix')

/** 80,000 attribute names are 2 MB; an answer that is longer is not one. */
const stdoutLimitBytes = 64 * 1024 * 1024

export interface EvaluationOptions {
  /** For one call of `evaluate`, whatever number of processes it takes. */
  readonly evaluationTimeoutMs: number
  /** What one evaluation may allocate. nixpkgs takes about 1 GiB for large packages. */
  readonly evaluationMemoryMiB: number
  /** Beginnings of addresses that a set may download from while it is evaluated; none unless set. */
  readonly allowedUris?: readonly string[]
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
  z.object({ kind: z.literal('not-a-derivation'), path }),
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

export type EvaluationResult = z.infer<typeof resultSchema>

/** What the same name may mean something else under. */
export type PackageSetView = Pick<EvaluateRequest, 'set' | 'policy' | 'system'>

/** What the end of a Nix process means for the packages it was asked about. */
export type LookUpAnswer =
  | { readonly kind: 'results'; readonly results: readonly EvaluationResult[] }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'error' | 'nix-too-old'; readonly message: string }

/**
 * Questions to one package set, each answered by one process in restricted evaluation, all before
 * one deadline. The set is a stranger's: it reads only what it is allowed to, and package names
 * reach it as data.
 */
export class PackageSetQuery {
  readonly #nix: Nix
  readonly #options: EvaluationOptions
  readonly #view: PackageSetView
  readonly #signal: AbortSignal
  readonly #deadlineMs: number

  constructor(nix: Nix, options: EvaluationOptions, view: PackageSetView, signal: AbortSignal) {
    this.#nix = nix
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

  async lookUp(
    packages: readonly string[],
    mode: { readonly catch: boolean },
  ): Promise<LookUpAnswer> {
    const end = await this.#run('evaluate.nix', { packages, ...mode })
    switch (end.kind) {
      case 'succeeded':
        return readResults(end.stdout)
      case 'timed-out':
        return { kind: 'timed-out' }
      case 'printed-too-much':
        return { kind: 'error', message: 'the package set gives an answer of more than 64 MiB' }
      case 'failed':
        break
    }
    const operating = findOperatingFailure(lastError(end.stderrTail))
    if (operating) throw operating
    const message = this.#errorMessage(end)
    const demand = parseNixDemand(message)
    return demand === undefined
      ? { kind: 'error', message }
      : { kind: 'nix-too-old', message: this.#tooOldFor(demand) }
  }

  #tooOldFor(demand: string): string {
    const { version } = this.#nix.installation
    return `the package set needs ${demand}, and this registry has Nix ${version}; NIXERY_NIX_BIN chooses another`
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
    const { set, system, policy } = this.#view
    const { unfree, broken, insecure } = policy
    const flake = set.flake?.nodes ?? null
    const view = { entry: set.entry, system, policy: { unfree, broken, insecure }, flake }
    const argument = JSON.stringify({ ...view, ...request })
    const inputs = Object.values(set.flake?.nodes ?? {}).map((input) => input.path)
    const paths = [expressionDirectory, set.entry, ...set.readablePaths, ...inputs]
    const readable = await withRealPaths(paths)
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
          ['allowed-uris', (this.#options.allowedUris ?? []).join(' ')],
        ]),
        environment: new Map([['GC_MAXIMUM_HEAP_SIZE', `${this.#options.evaluationMemoryMiB}M`]]),
      },
      this.#signal,
    )
  }
}

/** A derivation is what a package set calls one: its parts may be of any type. */
function readResults(stdout: string): LookUpAnswer {
  const results = resultsSchema.safeParse(JSON.parse(stdout))
  return results.success
    ? { kind: 'results', results: results.data }
    : { kind: 'error', message: 'its derivation path or outputs are not what Nix makes' }
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
