import { formatOneLine } from '#core/text/one-line.ts'
import { redactAddresses } from '#core/nix/nix-setting.ts'
import { parseStorePath, storePathName } from '#core/nix/store-path.ts'
import {
  activityTypes,
  parseLogEvent,
  resultTypes,
  type LogEvent,
} from '#core/nix/structured-log.ts'
import type { RealiseOutcome, RealiseProgress } from '#engine/ports/package-builder.ts'

/** A builder's failure. */
export type RealiseFailure = Extract<RealiseOutcome, { readonly logTail: unknown }>

/** What a person reads of a failed build before opening the whole log. */
const logTailLines = 25

/** A page wide; what is longer is one of the lines that nobody reads. */
const logLineCharacters = 2_000

/** Nix's own errors of one realisation; more than this many failures say nothing new. */
const keptErrors = 100

/** Bytes move all the time; people and browsers need to hear of them only so often. */
const reportedBytes = 1024 * 1024

interface Activity {
  readonly type: number
  /** Derivation path, store path or URL, by type. */
  readonly subject: string
  readonly from: string
  doneBytes: number
  expectedBytes: number
}

interface DerivationLog {
  readonly tail: string[]
  downloadError?: string
}

/** Turns the structured log of one `nix-store --realise` into progress and the reason of a failure. */
export class RealisationLog {
  readonly #observe: (progress: RealiseProgress) => void
  readonly #onMessage: (text: string) => void
  readonly #activities = new Map<number, Activity>()
  readonly #derivationLogs = new Map<string, DerivationLog>()
  readonly #errors: string[] = []
  #lastDownloadError: string | undefined
  #builds = { done: 0, expected: 0, failed: 0 }
  #failedBuild: string | undefined
  #finishedBytes = 0
  #announcedBytes = 0
  #reported = ''

  /** `onMessage` gets what Nix itself says, beside the progress. */
  constructor(
    observe: (progress: RealiseProgress) => void,
    onMessage: (text: string) => void = () => {},
  ) {
    this.#observe = observe
    this.#onMessage = onMessage
  }

  /** Takes one line of Nix's stderr. */
  accept(line: string): void {
    const event = parseLogEvent(line)
    if (event !== undefined) this.#apply(event)
  }

  /** Nix's own errors, for what the operator must mend. */
  get errors(): readonly string[] {
    return this.#errors
  }

  /** The builder that failed first, when Nix named one. */
  failure(): RealiseFailure | undefined {
    for (const error of this.#errors) {
      const cause = this.#rootCause(error)
      if (cause) return this.#describe(cause)
    }
    return undefined
  }

  /** Nix 2.34 tells of a time that is over without saying which builder's it was. */
  #rootCause(error: string): RootCause | undefined {
    const [, time] = /^timed out after (\d+ seconds(?: of silence)?)/.exec(error) ?? []
    if (time === undefined || this.#failedBuild === undefined) return parseRootCause(error)
    const message = `its builder was stopped after ${time}`
    return { derivation: this.#failedBuild, kind: 'build-timed-out', message }
  }

  #describe({ derivation, kind, message }: RootCause): RealiseFailure {
    const log = this.#derivationLogs.get(derivation)
    const name = derivationName(derivation)
    const logTail = log?.tail ?? []
    const downloadError = log?.downloadError ?? logTail.findLast(isDownloadError)
    if (downloadError !== undefined) {
      return { kind: 'source-unavailable', name, message: formatMessage(downloadError), logTail }
    }
    return { kind, name, message: formatMessage(message), logTail }
  }

  #apply(event: LogEvent): void {
    switch (event.kind) {
      case 'start':
        return this.#start(event)
      case 'stop':
        return this.#stop(event.id)
      case 'result':
        return this.#result(event)
      case 'message':
        return this.#message(event)
    }
  }

  #start({ id, type, fields }: LogEvent & { kind: 'start' }): void {
    const subject = String(fields[0] ?? '')
    const from = redactAddresses(String(fields[1] ?? ''))
    this.#activities.set(id, { type, subject, from, doneBytes: 0, expectedBytes: 0 })
    if (type === activityTypes.build) {
      this.#derivationLogs.set(subject, { tail: [] })
      this.#observe({ kind: 'build-started', derivation: subject, name: derivationName(subject) })
    } else if (type === activityTypes.substitute) {
      this.#observe({ kind: 'substitute-started', path: subject, from })
    }
  }

  #stop(id: number): void {
    const activity = this.#activities.get(id)
    if (activity === undefined) return
    this.#activities.delete(id)
    const { type, subject } = activity
    if (type === activityTypes.build) {
      // The first build that ends after Nix counted one more failure.
      if (this.#builds.failed > 0) this.#failedBuild ??= subject
      this.#observe({ kind: 'build-finished', derivation: subject, name: derivationName(subject) })
    } else if (type === activityTypes.substitute) {
      this.#observe({ kind: 'substitute-finished', path: subject })
    } else if (type === activityTypes.fileTransfer) {
      this.#finishedBytes += activity.doneBytes
      this.#reportTotals()
    }
  }

  #result({ id, type, fields }: LogEvent & { kind: 'result' }): void {
    const activity = this.#activities.get(id)
    if (activity === undefined) return
    const [first = 0, second = 0, , failed = 0] = fields
    if (type === resultTypes.buildLogLine) {
      this.#logLine(activity.subject, String(first))
    } else if (type === resultTypes.progress && activity.type === activityTypes.builds) {
      this.#builds = { done: Number(first), expected: Number(second), failed: Number(failed) }
      this.#reportTotals()
    } else if (type === resultTypes.progress && activity.type === activityTypes.fileTransfer) {
      activity.doneBytes = Number(first)
      activity.expectedBytes = Number(second)
      this.#reportTotals()
    } else if (type === resultTypes.setExpected && first === activityTypes.fileTransfer) {
      this.#announcedBytes = Number(second)
      this.#reportTotals()
    }
  }

  #logLine(derivation: string, text: string): void {
    const line = text.slice(0, logLineCharacters)
    const tail = this.#derivationLogs.get(derivation)?.tail
    if (tail === undefined) return
    tail.push(line)
    if (tail.length > logTailLines) tail.shift()
    this.#observe({ kind: 'build-log', derivation, line })
  }

  #message({ level, text }: LogEvent & { kind: 'message' }): void {
    this.#onMessage(text)
    const message = text.replace(/^(?:(?:error|warning):\s*)+/, '')
    if (isDownloadError(message)) this.#lastDownloadError = message
    if (level !== 0 || text.startsWith('warning:')) return
    const cause = this.#rootCause(message)
    const log = cause && this.#derivationLogs.get(cause.derivation)
    if (log && this.#lastDownloadError !== undefined) log.downloadError = this.#lastDownloadError
    if (this.#errors.length < keptErrors) this.#errors.push(message)
  }

  #reportTotals(): void {
    const transfers = [...this.#activities.values()].filter(
      ({ type }) => type === activityTypes.fileTransfer,
    )
    const downloadedBytes = transfers.reduce((sum, it) => sum + it.doneBytes, this.#finishedBytes)
    const knownBytes = transfers.reduce((sum, it) => sum + it.expectedBytes, this.#finishedBytes)
    const { done: buildsDone, expected: buildsExpected } = this.#builds
    const steps = Math.floor(downloadedBytes / reportedBytes)
    const reported = [buildsDone, buildsExpected, steps, transfers.length].join()
    if (reported === this.#reported) return
    this.#reported = reported
    const downloadExpectedBytes = Math.max(knownBytes, this.#announcedBytes)
    this.#observe({
      kind: 'totals',
      buildsDone,
      buildsExpected,
      downloadedBytes,
      downloadExpectedBytes,
    })
  }
}

/** Nix and fetchers name the addresses that they were given, logins included. */
function formatMessage(text: string): string {
  return formatOneLine(redactAddresses(text))
}

interface RootCause {
  readonly derivation: string
  readonly kind: 'build-failed' | 'build-timed-out'
  readonly message: string
}

type Groups = Readonly<Record<string, string | undefined>>
type CausePattern = readonly [RegExp, RootCause['kind'], (groups: Groups) => string]

// The errors that libstore gives for one builder, in the words of 2.8 and of later versions. What
// is not here (such as "1 dependencies of derivation … failed to build") only follows from one.
const causePatterns: readonly CausePattern[] = [
  [
    /^building of '(?<drv>[^'!^]+).* timed out after (?<time>\d+ seconds(?: of silence)?)/,
    'build-timed-out',
    ({ time }) => `its builder was stopped after ${time}`,
  ],
  [
    /^building (?:of|derivation) '(?<drv>[^'!^]+).* killed after writing more than (?<limit>\d+) bytes of log/,
    'build-failed',
    ({ limit }) => `its builder wrote more than ${limit} bytes of log`,
  ],
  [
    /^builder for '(?<drv>[^'!^]+)' (?<reason>failed[^;\n]*)/,
    'build-failed',
    ({ reason }) => `its builder ${reason}`,
  ],
  [
    /^Cannot build '(?<drv>[^'!^]+)'\.\s+Reason: .*timed out after (?<time>\d+ seconds(?: of silence)?)/,
    'build-timed-out',
    ({ time }) => `its builder was stopped after ${time}`,
  ],
  [
    /^Cannot build '(?<drv>[^'!^]+)'\.\s+Reason: (?:platform mismatch|missing system features)\s+Required (?<kind>\w+): (?<need>.+)/,
    'build-failed',
    ({ kind, need = '' }) => (kind === 'system' ? noBuilderFor(need) : noFeatures(need)),
  ],
  [
    /^Cannot build '(?<drv>[^'!^]+)'\.\s+Reason: (?!\d+ dependenc)(?<reason>.+)/,
    'build-failed',
    ({ reason }) => `its ${reason}`,
  ],
  [
    /^hash mismatch in fixed-output derivation '(?<drv>[^'!^]+)':\s*(?<hashes>[^]*)/,
    'build-failed',
    ({ hashes }) => `its source is not what the package set names: ${hashes}`,
  ],
  [
    /^an? (?<system>'\S+')(?: with features (?<need>\{.*\}))? is required to build '(?<drv>[^'!^]+)'/,
    'build-failed',
    ({ system = '', need = '{}' }) => (need === '{}' ? noBuilderFor(system) : noFeatures(need)),
  ],
]

/** `system` as Nix quotes it. */
function noBuilderFor(system: string): string {
  const architecture = { "'aarch64-linux'": 'arm64', "'x86_64-linux'": 'amd64' }[system] ?? system
  return `this registry has no builder for ${architecture}: its operator adds one with NIXERY_BUILDERS, or emulation (binfmt and extra-platforms of nix.conf); a package that is not for ${architecture} says so in meta.platforms`
}

function noFeatures(features: string): string {
  return `it requires the features ${features}, which no builder of this registry has`
}

function parseRootCause(error: string): RootCause | undefined {
  for (const [pattern, kind, describe] of causePatterns) {
    const groups = pattern.exec(error)?.groups
    if (groups) return { derivation: groups['drv']!, kind, message: describe(groups) }
  }
  return undefined
}

/** Nix's own downloader, and nixpkgs' fetchurl; not what a binary cache lacks, which is then built. */
function isDownloadError(line: string): boolean {
  return /unable to download '(?!\S*(?:\/nix-cache-info|\.narinfo|\.doi|\/nar\/\S+)')|cannot download .* from any mirror/.test(
    line,
  )
}

/** `jq-1.6` of `/nix/store/<hash>-jq-1.6.drv`. */
function derivationName(derivation: string): string {
  const path = parseStorePath(derivation)
  return path === undefined ? derivation : storePathName(path).replace(/\.drv$/, '')
}
