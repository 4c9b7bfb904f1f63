import type { ClosureNode } from './closure-graph.ts'
import { parseStorePath, type StorePath } from './store-path.ts'

/**
 * Reads what `nix-store --dump-db` prints: for each store path the lines
 *
 *     /nix/store/…-jq-1.6
 *     <64 hex digits of the NAR's SHA-256>
 *     <NAR size>
 *     <deriver, may be empty>
 *     <count of references>
 *     <one line per reference>
 *
 * Sorted by path, each path once. `undefined` when the text is anything else.
 */
export function parseValidityRegistration(text: string): readonly ClosureNode[] | undefined {
  const nodes = new Map<StorePath, ClosureNode>()
  const lines = text.split('\n')
  let next = 0
  while (next < lines.length - 1) {
    const path = parseStorePath(lines[next]!)
    const narSizeBytes = parseCount(lines[next + 2])
    const referenceCount = parseCount(lines[next + 4])
    if (path === undefined || narSizeBytes === undefined || referenceCount === undefined) {
      return undefined
    }
    const references = lines.slice(next + 5, next + 5 + referenceCount).map(parseStorePath)
    if (references.length !== referenceCount || !references.every(isDefined)) return undefined
    const others = [...new Set(references)].filter((reference) => reference !== path).sort()
    nodes.set(path, { path, narSizeBytes, references: others })
    next += 5 + referenceCount
  }
  // The last record ends with a line end, so nothing but the empty rest may follow it.
  if (next !== lines.length - 1 || lines[next] !== '') return undefined
  return [...nodes.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function parseCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function isDefined(path: StorePath | undefined): path is StorePath {
  return path !== undefined
}
