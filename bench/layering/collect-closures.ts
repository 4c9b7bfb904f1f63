/**
 * Makes `closures.json.gz` anew: what the Nix store of this machine has of the bundled set, whose
 * directory below the state directory is the one argument.
 *
 *     node bench/layering/collect-closures.ts .state/…/package-sets/debian/debian-…
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { ClosureNode } from '#core/nix/closure-graph.ts'
import { storePathName } from '#core/nix/store-path.ts'
import { parseValidityRegistration } from '#core/nix/validity-registration.ts'
import { closuresFile, type StoredClosures } from './read-closures.ts'

/** A store path is at most 255 bytes, and the arguments of a process at most 2 MiB on Linux. */
const pathsPerCall = 2_000
/** 64,000 paths of 255 bytes with all they refer to. */
const outputLimitBytes = 256 * 1024 * 1024

function collectClosures(directory: string): StoredClosures {
  const outputs = listOutputs(directory)
  const invalid = new Set(queryStore(['--check-validity', '--print-invalid'], outputs))
  const present = outputs.filter((path) => !invalid.has(path))
  const closure = [...new Set(queryStore(['--query', '--requisites'], present))].toSorted()
  const registration = `${queryStore(['--dump-db'], closure).join('\n')}\n`
  const nodes = orderBottomUp(parseValidityRegistration(registration) ?? [])
  const indices = new Map(nodes.map(({ path }, index) => [path, index]))
  return {
    outputs: outputs.length,
    packages: nodes.map(({ path, narSizeBytes, references }) => [
      storePathName(path),
      narSizeBytes,
      references.map((reference) => indices.get(reference)!).toSorted((a, b) => a - b),
    ]),
  }
}

/** What every attribute at the top level of the set would be, whether it is built or not. */
function listOutputs(directory: string): readonly string[] {
  const output = 'package: if package ? outPath then package.outPath else null'
  const attempt = `builtins.tryEval ((${output}) package)`
  const expression = `builtins.mapAttrs (_: package: let it = ${attempt}; in if it.success then it.value else null) (import ${resolve(directory)} { })`
  const json = run(
    'nix-instantiate',
    ['--eval', '--strict', '--json', '--readonly-mode'],
    ['-E', expression],
  )
  const paths = Object.values(JSON.parse(json) as Record<string, string | null>)
  return [...new Set(paths.filter((path) => path !== null))].toSorted()
}

function queryStore(options: readonly string[], paths: readonly string[]): string[] {
  const lines: string[] = []
  for (let start = 0; start < paths.length; start += pathsPerCall) {
    const text = run('nix-store', options, paths.slice(start, start + pathsPerCall))
    lines.push(...text.replace(/\n$/, '').split('\n'))
  }
  return lines
}

function run(command: string, options: readonly string[], rest: readonly string[]): string {
  return execFileSync(command, [...options, ...rest], {
    encoding: 'utf8',
    maxBuffer: outputLimitBytes,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

/** What a path refers to comes before it; by name otherwise. */
function orderBottomUp(nodes: readonly ClosureNode[]): readonly ClosureNode[] {
  const ordered: ClosureNode[] = []
  const placed = new Set<string>()
  let waiting = nodes.toSorted((a, b) => (storePathName(a.path) < storePathName(b.path) ? -1 : 1))
  while (waiting.length > 0) {
    const ready = waiting.filter(({ references }) => references.every((it) => placed.has(it)))
    if (ready.length === 0) throw new Error('store paths that refer to each other')
    ordered.push(...ready)
    for (const { path } of ready) placed.add(path)
    waiting = waiting.filter(({ path }) => !placed.has(path))
  }
  return ordered
}

const [directory = '.'] = process.argv.slice(2)
const closures = collectClosures(directory)
writeFileSync(closuresFile, gzipSync(JSON.stringify(closures), { level: 9 }))
console.log(`${closures.packages.length} of ${closures.outputs} outputs are in the store`)
