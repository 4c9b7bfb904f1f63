/**
 * Run as a process of its own, so that the memory that listing 60,000 packages takes never stays in the
 * service, and that all of it can give way to everything else on the machine:
 *
 *     make-index-entry.ts        reads an IndexRequest as JSON
 *
 * Prints an IndexOutcome as JSON, or says on stderr why it failed.
 */
import { text } from 'node:stream/consumers'
import { listPackages, type ListOutcome } from '#adapters/nix/list-packages.ts'
import type { IndexOutcome, IndexRequest } from './make-index.ts'
import { IndexWriter } from './index-writer.ts'

async function makeIndex(request: IndexRequest, signal: AbortSignal): Promise<IndexOutcome> {
  const { path, facts, nix, views } = request
  using writer = new IndexWriter(path)
  const options = { ...nix, inheritedEnvironment: process.env }
  const outcomes: ListOutcome[] = []
  for (const { platform, ...view } of views)
    outcomes.push(await listPackages(options, view, (some) => writer.add(platform, some), signal))
  // A set may have packages for one platform only.
  if (outcomes.every((outcome) => outcome.kind === 'unlistable')) return outcomes[0]!
  const left = outcomes.reduce((sum, it) => sum + (it.kind === 'listed' ? it.left : 0), 0)
  return { kind: 'listed', packages: writer.finish(facts), left }
}

const ending = new AbortController()
// Nix does not hear it, and must not go on alone.
process.once('SIGTERM', () => ending.abort())
const request = JSON.parse(await text(process.stdin)) as IndexRequest
process.stdout.write(JSON.stringify(await makeIndex(request, ending.signal)))
