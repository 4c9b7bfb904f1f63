import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

import { OperatingError } from '#engine/operating-error.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'

import { findMachineMirror } from './index/apt.ts'
import type { DebianMirror } from './index/apt-sources.ts'
import { modificationTimeMs, namesIn, readIfThere } from './index/existing-files.ts'

export type { DebianMirror } from './index/apt-sources.ts'

export interface DebianPackageSetOptions {
  /** The service's own directory; the set lives in `package-sets/debian` below it. */
  readonly stateDirectory: string
  /** Instead of what the machine's apt configuration names, part by part. */
  readonly mirror?: Partial<DebianMirror>
}

/** Its URL decides where packages come from, not what they are, so it is no part of the revision. */
const mirrorFile = 'mirror.json'

/** Names the Nix expressions of a revision, so that a newer service does not go on with old ones. */
const expressionsFile = 'expressions.json'

const expressionsDirectory = join(import.meta.dirname, 'nix')

const temporaryPrefix = 'new-'

const revisionPattern = /^debian-[0-9a-f]{40}$/

/** Revisions take 50 MB each, and Debian moves about daily. Images that are built need none of them. */
const outdatedAfterMs = 7 * 24 * 60 * 60 * 1000

/** A temporary directory this old belongs to a process that died: making an index takes a minute. */
const abandonedAfterMs = 60 * 60 * 1000

/**
 * Makes the package set from Debian's current signed lists:
 *
 *     <stateDirectory>/package-sets/debian/debian-<digest>/
 *       default.nix …         the Nix expressions and builders
 *       expressions.json      their digest
 *       index/<architecture>  what Debian has
 *       bootstrap/busybox     what unpacks packages on this machine
 *       host.json             the architecture of this machine
 *       mirror.json           where files come from
 *
 * Everything but mirror.json is named by its digest and never changes; the directory appears by a
 * rename, so several processes may prepare at once. Throws an `OperatingError`
 * `SOURCE_UNAVAILABLE` with one line that says what is missing.
 */
export async function prepareDebianPackageSet(
  options: DebianPackageSetOptions,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<PackageSet> {
  const mirror = await chooseMirror(options.mirror ?? {})
  if (mirror.security === undefined) {
    onProgress('no mirror of Debian’s security updates is known: the package set goes without them')
  }
  const home = homeOf(options.stateDirectory)
  await mkdir(home, { recursive: true })
  await removeAbandoned(home)
  const temporary = await mkdtemp(join(home, temporaryPrefix))
  try {
    const revision = await makeRevision(temporary, mirror, onProgress, signal)
    return await publish(join(temporary, 'set'), home, revision)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** A revision on disk, and when it was last found to be the newest: milliseconds since 1970. */
export interface StoredDebianPackageSet {
  readonly set: PackageSet
  readonly preparedAtMs: number
}

/**
 * The revision that was prepared last with this version's Nix expressions, without looking at the
 * network; `undefined` when there is none.
 */
export async function newestDebianPackageSet(
  stateDirectory: string,
): Promise<StoredDebianPackageSet | undefined> {
  const home = homeOf(stateDirectory)
  const revisions = await currentRevisions(home)
  const ages = await Promise.all(
    revisions.map(async (revision) => ({
      revision,
      // Another process may have removed it meanwhile.
      preparedAtMs: (await modificationTimeMs(join(home, revision))) ?? 0,
    })),
  )
  ages.sort((a, b) => b.preparedAtMs - a.preparedAtMs || (a.revision < b.revision ? -1 : 1))
  if (ages[0] === undefined) return undefined
  const { revision, preparedAtMs } = ages[0]
  return { set: packageSet(home, revision), preparedAtMs }
}

/** The set of a revision that was prepared before and is held. */
export function storedDebianPackageSet(stateDirectory: string, revision: string): PackageSet {
  return packageSet(homeOf(stateDirectory), revision)
}

/**
 * Removes the revisions that were not the newest for a week, except those that are held: whoever
 * uses a revision holds it first and then looks whether it is there.
 */
export async function removeOutdatedDebianPackageSets(
  stateDirectory: string,
  findHeld: () => Promise<ReadonlySet<string>>,
): Promise<void> {
  const home = homeOf(stateDirectory)
  for (const revision of await namesIn(home)) {
    const isNeeded = async (directory: string): Promise<boolean> =>
      !(await isOlder(directory, outdatedAfterMs)) || (await findHeld()).has(revision)
    const directory = join(home, revision)
    if (!revisionPattern.test(revision) || (await isNeeded(directory))) continue
    const temporary = await mkdtemp(join(home, temporaryPrefix))
    const removed = join(temporary, 'set')
    try {
      await moveUnlessBeaten(directory, removed)
      // From here on a new holder finds that it is gone; one that looked before is seen now.
      if (await isNeeded(removed)) await moveUnlessBeaten(removed, directory)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  }
}

/** Another process may have moved the directory away already, or have made the target anew. */
async function moveUnlessBeaten(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: NodeJS.ErrnoException) => {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code ?? '')) throw error
  })
}

/** The revisions that have this version's Nix expressions. */
async function currentRevisions(home: string): Promise<readonly string[]> {
  const expressions = await describeExpressions()
  const revisions: string[] = []
  for (const name of await namesIn(home)) {
    if (!revisionPattern.test(name)) continue
    const content = await readIfThere(join(home, name, expressionsFile))
    if (content === expressions) revisions.push(name)
  }
  return revisions
}

async function describeExpressions(): Promise<string> {
  return `${JSON.stringify({ digest: await digestOfTree(expressionsDirectory) })}\n`
}

function homeOf(stateDirectory: string): string {
  return join(stateDirectory, 'package-sets', 'debian')
}

function packageSet(home: string, revision: string): PackageSet {
  const directory = join(home, revision)
  return {
    identity: revision,
    fixed: true,
    entry: join(directory, 'default.nix'),
    readablePaths: [directory],
  }
}

async function chooseMirror(configured: Partial<DebianMirror>): Promise<DebianMirror> {
  const mirror = { ...(await findMachineMirror()), ...configured }
  if (mirror.main !== undefined) return { ...mirror, main: mirror.main }
  throw new OperatingError(
    'SOURCE_UNAVAILABLE',
    'the apt configuration of this machine names no mirror of Debian; configure one for the bundled package set',
  )
}

async function makeRevision(
  temporary: string,
  mirror: DebianMirror,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const target = join(temporary, 'set')
  const apt = join(temporary, 'apt')
  await copyExpressions(target)
  await writeFile(join(target, expressionsFile), await describeExpressions())
  await generateIndex(apt, target, mirror, onProgress, signal)
  await mkdir(join(target, 'bootstrap'))
  const busybox = join(target, 'bootstrap', 'busybox')
  await copyFile(join(apt, 'busybox', 'bin', 'busybox'), busybox)
  await chmod(busybox, 0o555)
  const revision = `debian-${(await digestOfTree(target)).slice(0, 40)}`
  await writeFile(join(target, mirrorFile), `${JSON.stringify(mirror)}\n`)
  return revision
}

/** Into directories of this process: those of an installation may be read-only, as in a Nix store. */
async function copyExpressions(target: string): Promise<void> {
  for (const file of await filesBelow(expressionsDirectory)) {
    const copy = join(target, relative(expressionsDirectory, file))
    await mkdir(dirname(copy), { recursive: true })
    await copyFile(file, copy)
  }
}

/** In a process of its own: the index of 60,000 packages needs a heap that the service never gives back. */
async function generateIndex(
  apt: string,
  target: string,
  mirror: DebianMirror,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(apt, { recursive: true })
  const generator = join(import.meta.dirname, 'index', 'generate-index.ts')
  const child = spawn(process.execPath, [generator, apt, target, JSON.stringify(mirror)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGTERM',
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  createInterface({ input: child.stdout }).on('line', onProgress)
  const [exitCode, complaint] = await Promise.all([ended, text(child.stderr)])
  if (exitCode !== 0) throw generatorError(complaint)
}

/** The generator's last line is JSON: {message, cause}. */
function generatorError(complaint: string): OperatingError {
  const last = complaint.trimEnd().split('\n').at(-1) ?? ''
  const failure = parseFailure(last) ?? {
    message: 'the package index could not be made',
    cause: complaint,
  }
  return new OperatingError('SOURCE_UNAVAILABLE', failure.message, { cause: failure.cause })
}

function parseFailure(line: string): { message: string; cause: string } | undefined {
  if (!line.startsWith('{"message":')) return undefined
  return JSON.parse(line) as { message: string; cause: string }
}

async function publish(prepared: string, home: string, revision: string): Promise<PackageSet> {
  const directory = join(home, revision)
  try {
    await rename(prepared, directory)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    // The same revision is there already; only the way to the mirror may be new.
    await rename(join(prepared, mirrorFile), join(directory, mirrorFile))
  }
  const now = new Date()
  await utimes(directory, now, now)
  return packageSet(home, revision)
}

/** Over names, executable bits and contents, in sorted order. */
async function digestOfTree(directory: string): Promise<string> {
  const digest = createHash('sha256')
  for (const file of await filesBelow(directory)) {
    const content = await readFile(file)
    const isExecutable = ((await stat(file)).mode & 0o111) !== 0
    const path = file.slice(directory.length + 1)
    digest.update(JSON.stringify([path, isExecutable, content.length]))
    digest.update(content)
  }
  return digest.digest('hex')
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

async function removeAbandoned(home: string): Promise<void> {
  for (const name of await namesIn(home)) {
    const path = join(home, name)
    if (!name.startsWith(temporaryPrefix) || !(await isOlder(path, abandonedAfterMs))) continue
    await rm(path, { recursive: true, force: true })
  }
}

/** False for what is not there: another process may have removed it meanwhile. */
async function isOlder(path: string, limitMs: number): Promise<boolean> {
  const modifiedAtMs = await modificationTimeMs(path)
  return modifiedAtMs !== undefined && Date.now() - modifiedAtMs > limitMs
}
