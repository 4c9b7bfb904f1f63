import { formatPlatform, type Platform, type Platforms } from '#core/nix/system.ts'
import { createBuildJournal, type BuildJournal } from '#engine/build-journal.ts'
import { describeFailedImage, hintAtNearImages } from '#engine/describe-failed-image.ts'
import { readImageContent, type ImageContent } from '#engine/image-content.ts'
import type { BuildObserver } from '#engine/ports/build-observer.ts'
import type { BlobReader } from '#engine/ports/blob-store.ts'
import type { Clock } from '#engine/ports/clock.ts'
import type { ImageDestination } from '#engine/ports/image-destination.ts'
import type { ManifestOutcome, ManifestRequest } from '#engine/serve-manifest.ts'
import type { FailedImage, ServedImage } from '#engine/serve-platforms.ts'
import { parseBuildArguments, buildSyntax, type BuildCommand } from './build-arguments.ts'
import { openDisplay, type BuildDisplay, type BuildTerminal } from './build-display.ts'
import type { BuildOutput } from './build-output.ts'
import { formatHelp, formatSlip } from './command-syntax.ts'
import { printable } from './printable.ts'

/** The registry as it is without HTTP; it ends its builds when it is disposed of. */
export interface OpenRegistry extends AsyncDisposable {
  manifest(request: ManifestRequest, signal: AbortSignal): Promise<ManifestOutcome>
  near(name: string): Promise<readonly string[]>
  /** What a name is built for, which it may force; `undefined` for one that stands for no image. */
  platforms(name: string): Promise<Platforms | undefined>
  readonly blobs: BlobReader
}

/** What the command needs of the rest of the product. */
export interface BuildTools {
  open(
    options: {
      readonly platforms?: Platforms
      readonly builds: BuildObserver
      /** Takes a warning of the machinery, which is no result. */
      readonly warn: (line: string) => void
    },
    signal: AbortSignal,
  ): Promise<OpenRegistry>
  destination(output: BuildOutput, options: { readonly insecure: boolean }): ImageDestination
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
}

/**
 * `nixery build`; gives the exit code: 0, 2 for a wrong command line, 3 when the request gives no image.
 * Throws what keeps it from its work, and the reason of the signal.
 */
export async function runBuild(
  args: readonly string[],
  tools: BuildTools,
  terminal: BuildTerminal,
  signal: AbortSignal,
): Promise<0 | 2 | 3> {
  const parsed = parseBuildArguments(args)
  switch (parsed.kind) {
    case 'help':
      terminal.stdout.write(formatHelp(buildSyntax))
      return 0
    case 'wrong':
      terminal.stderr.write(formatSlip(buildSyntax, parsed.message))
      return 2
    case 'build':
      return build(parsed, tools, terminal, signal)
  }
}

async function build(
  command: BuildCommand,
  tools: BuildTools,
  terminal: BuildTerminal,
  signal: AbortSignal,
): Promise<0 | 2 | 3> {
  const destination =
    command.output && tools.destination(command.output, { insecure: command.insecure })
  await destination?.check(signal)
  using display = openDisplay(command, { ...tools, terminal })
  const ending = new AbortController()
  const until = AbortSignal.any([signal, ending.signal])
  const { journal, builds } = followBuilds(tools.nowMs, display, until)
  const warn = (line: string) => display.note(line)
  const { name, tag, platforms } = command
  await using registry = await tools.open({ ...(platforms && { platforms }), builds, warn }, signal)
  // With the command ends what still runs, and that is no news.
  using _following = { [Symbol.dispose]: () => ending.abort() }
  const wanted = await registry.platforms(name)
  const slip = findPlatformSlip(command, wanted)
  if (slip !== undefined) {
    display[Symbol.dispose]()
    terminal.stderr.write(formatSlip(buildSyntax, slip))
    return 2
  }
  const outcome = await registry.manifest({ name, tag, acceptsIndex: true }, signal)
  if (outcome.kind !== 'image') {
    const message = await describeRefusal(outcome, name, registry)
    const log = outcome.kind === 'failed' ? logTail(journal, outcome) : []
    display[Symbol.dispose]()
    printFailure(command, { message, log }, terminal)
    return 3
  }
  const image = await readImageContent(registry.blobs, digestOf(outcome), signal)
  for (const platform of findLeftOut(wanted ?? [], image))
    display.warn(`${platform} is left out: a package does not exist for it`)
  const label = command.output?.kind === 'registry' ? 'pushing' : 'writing'
  await destination?.write(image, (done, total) => display.showOutput(label, done, total), signal)
  display[Symbol.dispose]()
  printResult(command, outcome, image, terminal)
  return 0
}

/** What of a command line does not fit the platforms of the name. */
function findPlatformSlip(
  { name, platforms: wanted, output }: BuildCommand,
  platforms: Platforms | undefined,
): string | undefined {
  if (platforms === undefined) return undefined
  const all = platforms.map(formatPlatform).join(' and ')
  const said = wanted?.map(formatPlatform).join(' and ')
  if (said !== undefined && said !== all)
    return `${name} is for ${all}, and --platform says ${said}: leave one of them out`
  if (output?.kind === 'docker-archive' && platforms.length > 1)
    return `a docker-archive holds one platform, and ${name} is for ${all}: choose one with --platform, or write an OCI layout`
  return undefined
}

/** Platforms that an index goes without, whenever it was made. */
function findLeftOut(
  wanted: readonly Platform[],
  { root, manifests }: ImageContent,
): readonly string[] {
  if (manifests.length >= wanted.length) return []
  const index = JSON.parse(new TextDecoder().decode(root.bytes)) as {
    readonly manifests: ReadonlyArray<{ readonly platform: Platform }>
  }
  const listed = index.manifests.map(({ platform }) => formatPlatform(platform))
  return wanted.map(formatPlatform).filter((platform) => !listed.includes(platform))
}

/** What builds tell reaches the journal, and from there the display. */
function followBuilds(
  nowMs: () => number,
  display: BuildDisplay,
  signal: AbortSignal,
): { readonly journal: BuildJournal; readonly builds: BuildObserver } {
  const journal = createBuildJournal(nowMs)
  return {
    journal,
    builds: {
      observe(buildId, event) {
        journal.observe(buildId, event)
        const record = journal.find(buildId)
        if (event.kind !== 'queued' || record === undefined) return
        display.show(record.progress)
        record.follow((recorded) => display.show(record.progress, recorded), signal)
      },
    },
  }
}

/** The line that a client of the registry reads. */
async function describeRefusal(
  outcome: Exclude<ManifestOutcome, ServedImage>,
  name: string,
  registry: OpenRegistry,
): Promise<string> {
  if (outcome.kind !== 'failed') return outcome.message
  const hint = await hintAtNearImages(outcome.failure, () => registry.near(name))
  return `${describeFailedImage(outcome, 'asker')}${hint}`
}

// What went wrong stands in the last lines, and a terminal shows some more than these.
const shownLogLines = 20

function logTail(journal: BuildJournal, { buildId }: FailedImage): readonly string[] {
  const lines = journal.find(buildId)?.log.lines ?? []
  return lines.slice(-shownLogLines).map(({ name, line }) => printable(`${name}> ${line}`))
}

/** The registry's own answer for clients that take OCI indexes; further manifests are Docker's. */
function digestOf({ image }: ServedImage) {
  const [first] = image.manifests
  if (first === undefined) throw new Error('a stored image has no manifest')
  return first.digest
}

function printFailure(
  { name, tag, json }: BuildCommand,
  { message, log }: { readonly message: string; readonly log: readonly string[] },
  { stdout, stderr }: BuildTerminal,
): void {
  if (json) {
    const result = { kind: 'result', status: 'failed', name, tag, message, log, exitCode: 3 }
    stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  for (const line of log) stderr.write(`${line}\n`)
  stderr.write(`nixery: ${printable(message)}\n`)
}

function printResult(
  { name, tag, output, json }: BuildCommand,
  { cached, pinned }: ServedImage,
  { root, manifests, blobs }: ImageContent,
  { stdout, stderr }: BuildTerminal,
): void {
  const { digest, mediaType } = root
  if (json) {
    const facts = {
      digest,
      mediaType,
      cached,
      revision: pinned.revision,
      manifests: manifests.map((manifest) => manifest.digest),
      sizeBytes: blobs.reduce((sum, { size }) => sum + size, 0),
    }
    const result = { kind: 'result', status: 'served', name, tag, ...facts, exitCode: 0 }
    stdout.write(`${JSON.stringify(result)}\n`)
    return
  }
  // The archive takes standard output.
  const isTaken = output?.kind === 'docker-archive' && output.path === '-'
  const stream = isTaken ? stderr : stdout
  stream.write(`${digest}\n`)
}
