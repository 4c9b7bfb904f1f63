import { access, constants } from 'node:fs/promises'
import { newestIndex } from '#adapters/package-search/index-files.ts'
import { indexViewKey } from '#adapters/package-search/index-format.ts'
import { PackageIndex } from '#adapters/package-search/package-index.ts'
import { runSearch, type SearchTools } from '#apps/cli/run-search.ts'
import type { SearchQuestion } from '#apps/cli/search-arguments.ts'
import type { SearchOutcome } from '#engine/ports/package-search.ts'
import { ConfigError, readConfig, type Config } from './config.ts'
import { packageSearchSettings } from './package-search-settings.ts'
import { readSourceSettings } from './source-settings.ts'
import { stayAlive } from './stay-alive.ts'
import { unlessInterrupted, untilInterrupted } from './until-interrupted.ts'

// Shells ask for names at each press of a key: what that needs not is loaded later.

/** More than somebody looks through; the shortest are the best known. */
const mostNames = 1_000

/** `nixery search`, wired. Gives the exit code, throws what keeps it from its work. */
export async function runSearchCommand(args: readonly string[]): Promise<number> {
  const signal = untilInterrupted(new Error('interrupted'))
  const tools: SearchTools = { sourceNames, search, namesBeginning }
  return unlessInterrupted(() => stayAlive(() => runSearch(args, tools, process, signal)), signal)
}

function sourceNames(): readonly string[] {
  return [...readSourceSettings(readConfig(process.env)).settings.keys()]
}

/** Names are a help only: what keeps them from being read is said by a search. */
async function namesBeginning(source: string, prefix: string): Promise<readonly string[]> {
  try {
    using index = await openIndex(readConfig(process.env), source)
    return index?.namesBeginning(prefix, mostNames) ?? []
  } catch {
    return []
  }
}

const search: SearchTools['search'] = async (question, watch, signal) => {
  const config = readConfig(process.env)
  const found = question.refresh ? undefined : await searchIndex(config, question)
  if (found !== undefined) return found
  watch.onListing()
  const { searchAnew } = await import('./search-anew.ts')
  return searchAnew(config, question, watch.warn, signal)
}

/** `undefined` when nothing is listed; what is damaged is nothing. */
async function searchIndex(
  config: Config,
  { source, words, limit }: SearchQuestion,
): Promise<SearchOutcome | undefined> {
  try {
    using index = await openIndex(config, source)
    return index?.search(words, limit)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    // Who may not read the listing may not replace it either.
    if (isForbidden(error))
      throw new ConfigError(
        `NIXERY_STATE_DIRECTORY=${config.stateDirectory} has packages that another user has listed: run this command as that user, or set it to a directory of your own (${error.message})`,
        { cause: error },
      )
    return undefined
  }
}

/** What a service or another command has listed of a source. */
async function openIndex(config: Config, source: string): Promise<PackageIndex | undefined> {
  const { directory, ...settings } = packageSearchSettings(config)
  const { usual } = readSourceSettings(config)
  const path = await newestIndex(directory, indexViewKey(source === '' ? usual : source, settings))
  if (path === undefined) return undefined
  // SQLite does not tell a file that may not be read from one that is damaged.
  await access(path, constants.R_OK)
  return new PackageIndex(path)
}

function isForbidden(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^(?:EACCES|EPERM)$/.test(String(error.code))
}
