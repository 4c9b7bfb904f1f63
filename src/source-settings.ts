import { readFileSync } from 'node:fs'
import {
  parseSourcesFile,
  SourcesFileError,
  type SourceSettings,
} from '#adapters/package-source/sources-file.ts'
import { metaPackages } from '#core/request/image-request.ts'
import { ConfigError, type Config } from './config.ts'

/** First components of names that may come to mean something else than a source. */
const reservedNames: readonly string[] = [...metaPackages, 'niximage', 'nix-snapshotter']

/** What is configured of each source. */
interface NamedSettings {
  /** The one that names without a source mean. */
  readonly usual: string
  readonly settings: ReadonlyMap<string, SourceSettings>
}

/** The sources of the file, or the one of the environment, which has no name. */
export function readSourceSettings({ source, sourcesFile }: Config): NamedSettings {
  if (sourcesFile === undefined) return { usual: '', settings: new Map([['', source]]) }
  const { usual, sources } = readSourcesFile(sourcesFile)
  for (const name of sources.keys()) {
    if (reservedNames.includes(name))
      throw new ConfigError(
        `NIXERY_SOURCES=${sourcesFile}: a source cannot be called ${name}, which has a meaning of its own in names`,
      )
  }
  return { usual, settings: sources }
}

function readSourcesFile(path: string) {
  try {
    return parseSourcesFile(readFileSync(path, 'utf8'))
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause
    if (!isMissing && !(cause instanceof SourcesFileError)) throw cause
    const problem = isMissing ? ` cannot be read: ${cause.message}` : `: ${cause.message}`
    throw new ConfigError(`NIXERY_SOURCES=${path}${problem}`, { cause })
  }
}
