import { spawn } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import type { Archive } from './binary-package.ts'
import {
  findDebianMirror,
  parseDeb822Sources,
  parseOneLineSources,
  type AptSource,
  type DebianMirror,
} from './apt-sources.ts'
import { namesIn, readIfThere } from './existing-files.ts'
import { runCommand, type CommandResult } from './run-command.ts'

/** Debian's names of the architectures that the set is made for. */
export const debianArchitectures = ['amd64', 'arm64'] as const
export type DebianArchitecture = (typeof debianArchitectures)[number]

/** The Debian release that the set is made of. */
export const release = 'bookworm'

const archiveKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
const aptHelper = '/usr/lib/apt/apt-helper'

/** A `Packages` list on this disk, verified by apt. */
export interface PackageList {
  readonly path: string
  readonly architecture: DebianArchitecture
  readonly archive: Archive
}

/** A failure that has one clear line for people; what apt printed is the cause. */
export class AptError extends Error {
  override readonly name = 'AptError'
}

/** apt with every directory that it writes to inside one of ours. */
export interface PrivateApt {
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
}

/** The mirror that the machine's apt configuration names for Debian itself. */
export async function findMachineMirror(): Promise<DebianMirror | undefined> {
  const etc = '/etc/apt'
  const files = [join(etc, 'sources.list')]
  for (const name of (await namesIn(join(etc, 'sources.list.d'))).toSorted()) {
    files.push(join(etc, 'sources.list.d', name))
  }
  const sources: AptSource[] = []
  for (const file of files) {
    const text = await readIfThere(file)
    if (file.endsWith('.sources')) sources.push(...(await parseDeb822Sources(text)))
    else if (file.endsWith('.list')) sources.push(...parseOneLineSources(text))
  }
  return findDebianMirror(await Promise.all(sources.map(withMirrorFileRead)))
}

/** Writes the configuration of a private apt below `directory`. */
export async function preparePrivateApt(
  directory: string,
  mirror: DebianMirror,
  hostArchitecture: DebianArchitecture,
): Promise<PrivateApt> {
  for (const each of ['lists/partial', 'cache/archives/partial', 'sources.list.d']) {
    await mkdir(join(directory, each), { recursive: true })
  }
  await writeFile(join(directory, 'status'), '')
  await writeFile(join(directory, 'sources.list.d', 'debian.sources'), formatSources(mirror))
  const configuration = join(directory, 'apt.conf')
  await writeFile(configuration, formatConfiguration(directory, hostArchitecture))
  return { directory, environment: { APT_CONFIG: configuration } }
}

/** Fetches the signed lists of every suite and architecture. */
export async function fetchPackageLists(
  apt: PrivateApt,
  signal: AbortSignal,
): Promise<readonly PackageList[]> {
  await runApt(
    apt,
    ['update', '--error-on=any'],
    'cannot fetch the package lists of Debian',
    signal,
  )
  const format = '$(FILENAME)|$(ARCHITECTURE)|$(SUITE)|$(RELEASE)|$(CODENAME)'
  const targets = await runApt(
    apt,
    ['indextargets', '--format', format, 'Created-By: Packages'],
    'cannot list the package lists that apt has fetched',
    signal,
  )
  return targets.output
    .split('\n')
    .filter((line) => line.includes('|'))
    .map((line) => {
      const [path = '', architecture, ...suites] = line.split('|')
      return {
        path,
        architecture: architecture as DebianArchitecture,
        archive: suites.some((suite) => suite.endsWith('-security')) ? 'security' : 'main',
      }
    })
}

/** The lines of a list, whatever it is compressed with. */
export async function* readListLines(
  apt: PrivateApt,
  list: PackageList,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const child = spawn(aptHelper, ['cat-file', list.path], {
    env: { ...process.env, ...apt.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  yield* createInterface({ input: child.stdout, crlfDelay: Infinity })
  const exitCode = await ended
  if (exitCode !== 0) throw new AptError(`apt-helper cat-file ${list.path} ended with ${exitCode}`)
}

/** Downloads a package of the host's architecture, verified by apt, and unpacks it into `target`. */
export async function unpackDebianPackage(
  apt: PrivateApt,
  name: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const downloads = join(apt.directory, 'downloads')
  await mkdir(downloads, { recursive: true })
  const complaint = `cannot download the package ${name} of Debian`
  await runApt(apt, ['download', name], complaint, signal, downloads)
  const file = (await readdir(downloads)).find((each) => each.startsWith(`${name}_`))
  if (file === undefined) throw new AptError(complaint)
  const unpacked = await runTool('dpkg-deb', ['-x', join(downloads, file), target], apt, signal)
  if (unpacked.exitCode !== 0) {
    throw new AptError(`dpkg-deb cannot unpack ${file}`, { cause: unpacked.errors })
  }
}

function formatSources(mirror: DebianMirror): string {
  const stanza = (uri: string, suites: string): string =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\n` +
    `Architectures: ${debianArchitectures.join(' ')}\nSigned-By: ${archiveKeyring}\n`
  const main = stanza(mirror.main, `${release} ${release}-updates`)
  return mirror.security === undefined
    ? main
    : `${main}\n${stanza(mirror.security, `${release}-security`)}`
}

/**
 * Read by apt after the machine's own configuration (proxies and credentials stay in force), so it
 * also clears what would write outside our directory or fetch more than package lists.
 */
function formatConfiguration(directory: string, hostArchitecture: DebianArchitecture): string {
  const path = (...parts: string[]): string => JSON.stringify(join(directory, ...parts))
  return `
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::CNF;
#clear Acquire::IndexTargets::deb::Contents-deb;
#clear Acquire::Languages;
APT::Architecture "${hostArchitecture}";
APT::Architectures { ${debianArchitectures.map((each) => `"${each}";`).join(' ')} };
APT::Sandbox::User "root";
APT::Get::List-Cleanup "true";
Acquire::Languages { "none"; };
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::State ${path()};
Dir::State::lists ${path('lists')};
Dir::State::status ${path('status')};
Dir::Cache ${path('cache')};
Dir::Cache::archives ${path('cache', 'archives')};
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts ${path('sources.list.d')};
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
`
}

async function runApt(
  apt: PrivateApt,
  parameters: readonly string[],
  complaint: string,
  signal: AbortSignal,
  directory = apt.directory,
): Promise<CommandResult> {
  const configuration = ['-c', apt.environment['APT_CONFIG'] ?? '/dev/null']
  const result = await runTool(
    'apt-get',
    [...configuration, '-q', ...parameters],
    apt,
    signal,
    directory,
  )
  if (result.exitCode === 0) return result
  const first = /^E: (.*)$/m.exec(result.errors)?.[1] ?? `apt-get ended with ${result.exitCode}`
  throw new AptError(`${complaint}: ${first}`, { cause: result.errors })
}

async function runTool(
  program: string,
  parameters: readonly string[],
  apt: PrivateApt,
  signal: AbortSignal,
  directory = apt.directory,
): Promise<CommandResult> {
  try {
    return await runCommand(program, parameters, { ...apt, directory }, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new AptError(`${program} is not on this machine; the bundled package set needs it`, {
      cause: error,
    })
  }
}

/** Cloud images name their mirror in a file: `mirror+file:/etc/apt/mirrors/debian.list`. */
async function withMirrorFileRead(source: AptSource): Promise<AptSource> {
  const file = /^mirror\+file:(?:\/\/)?(\/\S+)$/.exec(source.uri)?.[1]
  if (file === undefined) return source
  const uri = /^\s*(https?:\S+)/m.exec(await readIfThere(file))?.[1]
  return uri === undefined ? source : { ...source, uri }
}
