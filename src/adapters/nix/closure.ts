import type { ClosureGraph, ClosureNode } from '#core/nix/closure-graph.ts'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import { parseValidityRegistration } from '#core/nix/validity-registration.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { Nix } from './nix.ts'
import type { StoreQuestions } from './store-questions.ts'

/** A store path is at most 255 bytes, and the arguments of a process at most 2 MiB on Linux. */
const pathsPerCall = 2_000

/** 100,000 paths of 255 bytes with their references; no closure comes near. */
const stdoutLimitBytes = 256 * 1024 * 1024

/** The store database answers in milliseconds, but its lock may be held by a large registration. */
const queryTimeoutMs = 120_000

/** The closure of paths, from the store's database. */
export async function readClosure(
  nix: Nix,
  store: StoreQuestions,
  paths: readonly StorePath[],
  signal: AbortSignal,
): Promise<ClosureGraph> {
  const roots = [...new Set(paths)].sort()
  const nodes = await store.ask((session) => session.closure(roots), signal)
  return { roots, nodes: nodes ?? (await readClosureNodes(nix, roots, signal)) }
}

/** The same from commands, which also say what is wrong when something is. */
export async function readClosureNodes(
  nix: Nix,
  roots: readonly StorePath[],
  signal: AbortSignal,
): Promise<readonly ClosureNode[]> {
  const members = new Set<StorePath>()
  for (const chunk of chunked(roots)) {
    const text = await query(nix, ['--query', '--requisites', ...chunk], signal)
    for (const line of text.split('\n').filter((line) => line !== '')) {
      members.add(parseStorePath(line) ?? unreadable('--query --requisites'))
    }
  }
  const nodes: ClosureNode[] = []
  for (const chunk of chunked([...members].sort())) {
    const text = await query(nix, ['--dump-db', ...chunk], signal)
    nodes.push(...(parseValidityRegistration(text) ?? unreadable('--dump-db')))
  }
  return nodes
}

function query(nix: Nix, args: readonly string[], signal: AbortSignal): Promise<string> {
  return nix.query(
    { command: 'nix-store', args, timeoutMs: queryTimeoutMs, stdoutLimitBytes },
    signal,
  )
}

function unreadable(query: string): never {
  throw new OperatingError('NIX_FAILED', `nix-store ${query} printed what this version cannot read`)
}

function* chunked<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += pathsPerCall) {
    yield items.slice(start, start + pathsPerCall)
  }
}
