import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { NixOptions } from '#adapters/nix/nix.ts'
import type { PackageSetView } from '#adapters/nix/package-set-query.ts'
import { findProgram } from '#adapters/process/find-program.ts'
import { endWithParent, runProcess } from '#adapters/process/run-process.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { IndexOrigin } from './index-format.ts'

/** What an index is made of. */
export interface IndexRequest {
  /** Of the new file. */
  readonly path: string
  readonly origin: IndexOrigin
  /** What each platform sees of the set. */
  readonly views: ReadonlyArray<PackageSetView & { readonly platform: string }>
  readonly nix: Omit<NixOptions, 'inheritedEnvironment' | 'settings'>
}

const outcomeSchema = z.discriminatedUnion('kind', [
  /**
   * `left` attributes could not be evaluated, on all platforms together; of platforms that are
   * `unlisted`, nothing could, and the index does not speak of them.
   */
  z.object({
    kind: z.literal('listed'),
    packages: z.number(),
    left: z.number(),
    unlisted: z.array(z.object({ platform: z.string(), message: z.string() })),
  }),
  /** One line: why nothing of the set can be listed. There may be a file, which is none. */
  z.object({ kind: z.literal('unlistable'), message: z.string() }),
])

export type IndexOutcome = z.infer<typeof outcomeSchema>

/** The listing of a platform ends itself after an hour, with what it has then. */
const platformTimeoutMs = 70 * 60_000

/** Ending Nix takes half a second. */
const killGraceMs = 5_000

/** nixpkgs takes a quarter of it. */
const heapMiB = 1024

const errorCodes = { missing: 'NIX_FAILED', failed: 'NIX_FAILED' } as const

/**
 * Lists a package set into a new file, in a process that gives way to everything else and ends with
 * this one. The file is on the disk when it is done.
 */
export async function makeIndex(
  request: IndexRequest,
  environment: Readonly<NodeJS.ProcessEnv>,
  signal: AbortSignal,
): Promise<IndexOutcome> {
  const entry = fileURLToPath(new URL('make-index-entry.ts', import.meta.url))
  const program = [process.execPath, `--max-old-space-size=${heapMiB}`, entry]
  const setpriv = await findProgram('setpriv', environment['PATH'] ?? '')
  const [command = '', ...args] =
    setpriv === undefined ? program : endWithParent(setpriv, 'TERM', process.pid, program)
  const end = await runProcess(
    {
      command,
      args,
      environment: definedOf(environment),
      stdin: JSON.stringify(request),
      inBackground: true,
      timeoutMs: request.views.length * platformTimeoutMs,
      killGraceMs,
      stdoutLimitBytes: 64 * 1024,
      errorCodes,
    },
    signal,
  )
  if (end.kind !== 'succeeded')
    throw new OperatingError('NIX_FAILED', `listing packages ended with ${end.status}`, {
      cause: new Error(end.stderrTail.slice(-2_000)),
    })
  const outcome = outcomeSchema.parse(JSON.parse(end.stdout))
  if (outcome.kind === 'listed') {
    await using file = await open(request.path)
    await file.sync()
  }
  return outcome
}

function definedOf(environment: Readonly<NodeJS.ProcessEnv>): ReadonlyMap<string, string> {
  const entries = Object.entries(environment)
  return new Map(entries.filter((entry): entry is [string, string] => entry[1] !== undefined))
}
