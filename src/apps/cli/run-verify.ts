import type { Clock } from '#engine/ports/clock.ts'
import type { VerifyReport } from '#engine/upkeep/storage-findings.ts'
import type { VerifyEvent } from '#engine/upkeep/verify-storage.ts'
import { formatByteSize } from './byte-size.ts'
import { counted } from './counted.ts'
import { formatHelp, formatSlip } from './command-syntax.ts'
import { describeFinding } from './describe-finding.ts'
import { reportProgress } from './progress-report.ts'
import type { Terminal } from './run-popularity.ts'
import { parseVerifyArguments, verifySyntax } from './verify-arguments.ts'

/** What the command needs of the rest of the product. */
export interface VerifyTools {
  /** Opens the configured storage, reads all of it and closes it. */
  verify(
    options: { readonly repair: boolean; readonly observe: (event: VerifyEvent) => void },
    signal: AbortSignal,
  ): Promise<VerifyReport>
  /** Which storage that is. */
  describeStorage(): string
  readonly clock: Clock
}

/**
 * `nixery verify`; gives the exit code: 0 when the storage is sound, 1 when it is not, also when it
 * was repaired, 2 for a wrong command line. Throws what keeps it from its work.
 */
export async function runVerify(
  args: readonly string[],
  tools: VerifyTools,
  { stdout, stderr }: Terminal,
  signal: AbortSignal,
): Promise<0 | 1 | 2> {
  const parsed = parseVerifyArguments(args)
  if (parsed.kind === 'help') {
    stdout.write(formatHelp(verifySyntax))
    return 0
  }
  if (parsed.kind === 'wrong') {
    stderr.write(formatSlip(verifySyntax, parsed.message))
    return 2
  }
  const { repair, json } = parsed
  using progress = reportProgress(stderr, tools.clock, {
    label: 'reading',
    formatAmount: formatByteSize,
  })
  const observe = (event: VerifyEvent) => {
    if (event.kind === 'reading') return progress.update(event.doneBytes, event.totalBytes)
    // All is read: the line of the bar ends before the first finding.
    progress[Symbol.dispose]()
    if (!json) stdout.write(`${describeFinding(event.finding, repair)}\n`)
  }
  const report = await tools.verify({ repair, observe }, signal)
  progress[Symbol.dispose]()
  stdout.write(
    json ? `${JSON.stringify(report)}\n` : describeReport(report, tools.describeStorage()),
  )
  return report.findings.length === 0 ? 0 : 1
}

// Whoever keeps more of them there knows.
const shownForeign = 5

function describeReport(report: VerifyReport, storage: string): string {
  const { blobs, sizeBytes, builds, manifests, findings, foreignKeys } = report
  const lines: string[] = []
  if (foreignKeys.length > 0) {
    const more = foreignKeys.length - shownForeign
    // Written by anybody: a terminal must not take a name for a command.
    const names = foreignKeys.slice(0, shownForeign).map((key) => JSON.stringify(key).slice(1, -1))
    const shown = names.join(', ')
    lines.push(
      `left alone, because not made by nixery: ${shown}${more > 0 ? ` and ${more} more` : ''}`,
    )
  }
  const read = `${counted(blobs, 'blob')} (${formatByteSize(sizeBytes)}), ${counted(manifests, 'image')} and ${counted(builds, 'layer')} in the caches`
  if (findings.length > 0)
    lines.push(
      `${counted(findings.length, 'finding')} in ${storage} among ${read}; ${describeDamage(report)}`,
    )
  else lines.push(`${storage} is ${blobs + builds + manifests > 0 ? `sound: ${read}` : 'empty'}`)
  return lines.map((line) => `${line}\n`).join('')
}

function describeDamage({ damaged, isRepaired, quarantined }: VerifyReport): string {
  const { images, builds, manifests } = damaged
  const without =
    manifests > 0 ? ` and ${counted(manifests, 'manifest')} that belong to no image` : ''
  const unusable = `${counted(images, 'image')}, ${counted(builds, 'cached layer')}${without}`
  return isRepaired
    ? `${counted(quarantined, 'blob')} moved into quarantine; removed ${unusable}`
    : `cannot be used: ${unusable}; nothing was changed`
}
