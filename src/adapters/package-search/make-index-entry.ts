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
  const { path, origin, nix, views } = request
  using writer = new IndexWriter(path)
  const options = { ...nix, inheritedEnvironment: process.env }
  const platforms: string[] = []
  const unlisted: { platform: string; message: string }[] = []
  let left = 0
  let isProvisional = false
  for (const { platform, ...view } of views) {
    const outcome = await listPackages(options, view, (some) => writer.add(platform, some), signal)
    if (outcome.kind === 'listed') {
      platforms.push(platform)
      left += outcome.left
    } else {
      unlisted.push({ platform, message: outcome.message })
      isProvisional ||= outcome.mayPass
    }
  }
  // A set may be one for some platforms only.
  if (platforms.length === 0) return { kind: 'unlistable', message: unlisted[0]!.message }
  const packages = writer.finish({ ...origin, platforms, isProvisional })
  return { kind: 'listed', packages, left, unlisted }
}

const ending = new AbortController()
// Nix does not hear it, and must not go on alone.
process.once('SIGTERM', () => ending.abort())
const request = JSON.parse(await text(process.stdin)) as IndexRequest
process.stdout.write(JSON.stringify(await makeIndex(request, ending.signal)))
