import type { ClosureNode } from './closure-graph.ts'
import { parseStorePath, storeDirectory, type StorePath } from './store-path.ts'

/** What a binary cache says of a store path, as far as anybody here wants to know. */
export type Narinfo = Pick<ClosureNode, 'path' | 'references'>

/**
 * Reads a `<hash>.narinfo` of a binary cache (libstore/nar-info.cc): lines of `Key: value`, among
 * them
 *
 *     StorePath: /nix/store/<hash>-jq-1.6
 *     References: <hash>-glibc-2.36 <hash>-jq-1.6
 *
 * References are sorted, without the path itself. `undefined` when the text is anything else.
 */
export function parseNarinfo(text: string): Narinfo | undefined {
  const path = parseStorePath(fieldOf(text, 'StorePath') ?? '')
  const references = fieldOf(text, 'References')?.split(' ').filter(Boolean).map(parseReference)
  if (path === undefined || references === undefined || !references.every(isDefined))
    return undefined
  const others = [...new Set(references)].filter((reference) => reference !== path).sort()
  return { path, references: others }
}

/** The value of a key that is there once. */
function fieldOf(text: string, key: string): string | undefined {
  const start = `${key}:`
  const lines = text.split('\n').filter((line) => line.startsWith(start))
  return lines.length === 1 ? lines[0]?.slice(start.length).trim() : undefined
}

function parseReference(baseName: string): StorePath | undefined {
  return parseStorePath(`${storeDirectory}/${baseName}`)
}

function isDefined(path: StorePath | undefined): path is StorePath {
  return path !== undefined
}
