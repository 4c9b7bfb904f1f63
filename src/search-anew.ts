import type { ListingEvent } from '#adapters/package-search/package-search.ts'
import type { SearchQuestion } from '#apps/cli/search-arguments.ts'
import { abortable } from '#engine/abortable.ts'
import type { SearchOutcome } from '#engine/ports/package-search.ts'
import type { Config } from './config.ts'
import { makeDirectory } from './make-directory.ts'
import { logListing, openPackageSearch } from './open-package-search.ts'
import { openSources } from './open-sources.ts'
import { useNetwork } from './use-network.ts'
import { warningLog } from './warning-log.ts'

/** What is told once: as the reason of a search in vain, or as a warning beside what an older listing has. */
type ListingTrouble = ListingEvent & { readonly kind: 'failed' | 'unlistable' }

/**
 * Searches a source after its packages were listed, unless that is done for what it is now. Throws what
 * kept them from being listed.
 */
export async function searchAnew(
  config: Config,
  { source, words, limit, refresh }: SearchQuestion,
  warn: (line: string) => void,
  signal: AbortSignal,
): Promise<SearchOutcome> {
  useNetwork(process.env)
  await makeDirectory('NIXERY_STATE_DIRECTORY', config.stateDirectory)
  const logger = warningLog(warn)
  await using opened = await openSources({ ...config, refreshMs: 0 }, logger, signal)
  const troubles: ListingTrouble[] = []
  const search = await openPackageSearch(config, logger, opened.sources, {
    // Whoever asks for it knows that the set has changed.
    ...(refresh && { liveIndexMs: 0 }),
    report(event) {
      if (event.kind === 'failed' || event.kind === 'unlistable') troubles.push(event)
      else logListing(logger, event)
    },
  })
  await using _closing = { [Symbol.asyncDispose]: () => search.close() }
  await abortable(search.prepare(source), signal)
  const outcome = await search.search(source, words, limit, signal)
  if (outcome.kind === 'found') for (const each of troubles) logListing(logger, each)
  else for (const each of troubles) if (each.kind === 'failed') throw each.error
  return outcome
}
