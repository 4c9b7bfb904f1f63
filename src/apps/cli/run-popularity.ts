import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Clock } from '#engine/ports/clock.ts'
import type { PackageBuilder } from '#engine/ports/package-builder.ts'
import { describeBuildFailure, describePackageFailure } from '#engine/describe-failure.ts'
import { formatHelp, formatSlip } from './command-syntax.ts'
import { countPackages, type CountedSet, type SkippedPackage } from './count-packages.ts'
import {
  parsePopularityArguments,
  popularitySyntax,
  type PopularityArguments,
} from './popularity-arguments.ts'
import { reportProgress, type ProgressStream } from './progress-report.ts'

type OnProgress = (done: number, total: number) => void
type ChannelArguments = PopularityArguments & { readonly kind: 'channel' }
type PackagesArguments = PopularityArguments & { readonly kind: 'packages' }

/** What the command needs of the rest of the product. */
export interface PopularityTools {
  /** Counts a channel and writes the file. */
  countChannel(
    options: ChannelArguments,
    onProgress: OnProgress,
    signal: AbortSignal,
  ): Promise<{
    readonly names: number
    readonly paths: number
    readonly missing: number
    readonly unusable: readonly string[]
  }>
  openPackageSet(path: string, signal: AbortSignal): Promise<OpenPackageSet>
  writePopularity(path: string, ratings: ReadonlyMap<string, number>): Promise<void>
  readonly clock: Clock
}

/** A package set of this machine, with the Nix that reads it. */
export interface OpenPackageSet extends AsyncDisposable, Omit<CountedSet, 'names'> {
  readonly nix: PackageBuilder
  /** The names at the top level of the set; throws when it cannot be evaluated. */
  listNames(signal: AbortSignal): Promise<readonly string[]>
}

export interface Terminal {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: ProgressStream
}

/**
 * `nixery popularity`; gives the exit code: 0, or 2 for a wrong command line. Throws what keeps it
 * from writing the file.
 */
export async function runPopularity(
  args: readonly string[],
  tools: PopularityTools,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<0 | 2> {
  const parsed = parsePopularityArguments(args)
  switch (parsed.kind) {
    case 'help':
      terminal.stdout.write(formatHelp(popularitySyntax))
      return 0
    case 'wrong':
      terminal.stderr.write(formatSlip(popularitySyntax, parsed.message))
      return 2
    case 'channel':
      await refuseUnwritable(parsed.outPath)
      await writeChannel(parsed, tools, terminal, signal)
      return 0
    case 'packages':
      await refuseUnwritable(parsed.outPath)
      await writePackages(parsed, tools, terminal, signal)
      return 0
  }
}

/** Before the work, because the file is written at the end of it. */
async function refuseUnwritable(path: string): Promise<void> {
  if (await isDirectory(path)) throw new Error(`--out ${path} is a directory, and must be a file`)
  const parent = dirname(path)
  if (!(await isDirectory(parent)))
    throw new Error(`--out ${path} must lie in a directory that is there, and ${parent} is none`)
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

// More of them say nothing new about what the cache gives instead.
const shownUnusable = 5

async function writeChannel(
  options: ChannelArguments,
  tools: PopularityTools,
  { stdout, stderr }: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const count = await withProgress(stderr, tools.clock, (onProgress) =>
    tools.countChannel(options, onProgress, signal),
  )
  for (const url of count.unusable.slice(0, shownUnusable))
    stderr.write(`skipped: ${url} is no narinfo of its store path\n`)
  const skipped = [
    ...(count.missing > 0 ? [`${count.missing} are not in the cache`] : []),
    ...(count.unusable.length > 0 ? [`${count.unusable.length} narinfos are unusable`] : []),
  ]
  const facts = [`${count.paths} store paths`, ...skipped].join(', ')
  stdout.write(`${options.outPath}: ${count.names} names out of ${facts}\n`)
}

async function writePackages(
  { setPath, names, outPath }: PackagesArguments,
  tools: PopularityTools,
  { stdout, stderr }: Terminal,
  signal: AbortSignal,
): Promise<void> {
  await using opened = await tools.openPackageSet(resolve(setPath), signal)
  const chosen = names.length > 0 ? names : await opened.listNames(signal)
  const count = await withProgress(stderr, tools.clock, (onProgress) =>
    countPackages(opened.nix, { ...opened, names: chosen }, onProgress, signal),
  )
  for (const line of describeSkipped(count.skipped, names.length > 0)) stderr.write(`${line}\n`)
  if (count.packages === 0) throw new Error(`no package of ${setPath} could be had`)
  await tools.writePopularity(outPath, count.ratings)
  const facts = `${count.paths} store paths of ${count.packages} packages`
  stdout.write(`${outPath}: ${count.ratings.size} names out of ${facts}\n`)
  if (count.ratings.size === 0) stdout.write(emptyNote)
}

/** An empty file looks broken, and is right for a set whose packages share nothing. */
const emptyNote =
  'no store path is needed by two others, so the file is empty: images are planned as with no file\n'

// Sets of thousands of packages hold hundreds of sets and functions.
const shownOthers = 10

/**
 * Every package set holds functions and sets beside packages: who counts all of it gets them in one
 * line, who names one gets a line for it.
 */
function describeSkipped(skipped: readonly SkippedPackage[], areNamed: boolean): readonly string[] {
  const others = areNamed ? [] : skipped.filter(({ why }) => why.kind === 'not-a-derivation')
  const failed = skipped.filter((each) => !others.includes(each))
  const lines = failed.map((each) => `skipped: ${formatSkipped(each)}`)
  if (others.length === 0) return lines
  const shown = others.slice(0, shownOthers).map((each) => each.package)
  const more = others.length > shown.length ? [`${others.length - shown.length} more`] : []
  const list = [...shown, ...more].join(', ')
  return [
    ...lines,
    `not counted, because they are no packages but sets, functions or values: ${list}`,
  ]
}

async function withProgress<T>(
  stream: ProgressStream,
  clock: Clock,
  work: (onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  using progress = reportProgress(stream, clock)
  return await work((done, total) => progress.update(done, total))
}

function formatSkipped({ package: asked, why }: SkippedPackage): string {
  // A package may fail to build because another one does.
  return 'package' in why
    ? describePackageFailure(why)
    : `${asked}: ${describeBuildFailure(why, 'asker')}`
}
