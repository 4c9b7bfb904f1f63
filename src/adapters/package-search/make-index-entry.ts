/**
 * Run as a process of its own, so that the memory that listing 60,000 packages takes never stays in the
 * service, and that all of it can give way to everything else on the machine:
 *
 *     make-index-entry.ts        reads an IndexRequest as JSON
 *
 * Prints an IndexOutcome as JSON, or says on stderr why it failed.
 */
import { text } from 'node:stream/consumers'
import { listPackages } from '#adapters/nix/list-packages.ts'
import type { IndexOutcome, IndexRequest } from './make-index.ts'
import { IndexWriter } from './index-writer.ts'

async function makeIndex(request: IndexRequest, signal: AbortSignal): Promise<IndexOutcome> {
  const { path, facts, nix, view } = request
  using writer = new IndexWriter(path)
  let packages = 0
  const outcome = await listPackages(
    { ...nix, inheritedEnvironment: process.env },
    view,
    (some) => {
      packages += some.length
      writer.add(some)
    },
    signal,
  )
  if (outcome.kind === 'unlistable') return outcome
  writer.finish(facts)
  return { ...outcome, packages }
}

const ending = new AbortController()
// Nix does not hear it, and must not go on alone.
process.once('SIGTERM', () => ending.abort())
const request = JSON.parse(await text(process.stdin)) as IndexRequest
process.stdout.write(JSON.stringify(await makeIndex(request, ending.signal)))
