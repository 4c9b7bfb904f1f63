import type { SearchQuestion } from '#apps/cli/search-arguments.ts'
import { abortable } from '#engine/abortable.ts'
import type { SearchOutcome } from '#engine/ports/package-search.ts'
import type { Config } from './config.ts'
import { openPackageSearch } from './open-package-search.ts'
import { openSources } from './open-sources.ts'
import { warningLog } from './warning-log.ts'

/** Searches a source after its packages were listed, unless that is done for what it is now. */
export async function searchAnew(
  config: Config,
  { source, words, limit, refresh }: SearchQuestion,
  warn: (line: string) => void,
  signal: AbortSignal,
): Promise<SearchOutcome> {
  const logger = warningLog(warn)
  await using opened = await openSources({ ...config, refreshMs: 0 }, logger, signal)
  // Whoever asks for it knows that the set has changed.
  const options = refresh ? { liveIndexMs: 0 } : {}
  const search = await openPackageSearch(config, logger, opened.sources, options)
  await using _closing = { [Symbol.asyncDispose]: () => search.close() }
  await abortable(search.prepare(source), signal)
  return search.search(source, words, limit, signal)
}
