import type { Clock } from '#engine/ports/clock.ts'
import { formatHelp, formatSlip } from './command-syntax.ts'
import { doctorSyntax, parseDoctorArguments } from './doctor-arguments.ts'
import { printable } from './printable.ts'

/** What a check has found. */
export interface Finding {
  /** `warn`: the service works, and something about it may surprise. */
  readonly level: 'ok' | 'warn' | 'fail'
  /** One line. */
  readonly message: string
  /** What to do, for what is not ok. */
  readonly mend?: string
}

export interface DoctorCheck {
  /** One or two words: what is looked at. */
  readonly subject: string
  /** What it throws is a failure of the subject. */
  run(signal: AbortSignal): Promise<readonly Finding[]>
}

/** What the command needs of the rest of the product. */
export interface DoctorTools {
  /** Those that fit the configuration. */
  checks(): Promise<readonly DoctorCheck[]>
  /** An error as a finding, with what to do where that is known. */
  explain(error: unknown): Finding
  readonly clock: Clock
}

interface DoctorTerminal {
  readonly stdout: { readonly isTTY?: boolean; write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly environment: Readonly<Record<string, string | undefined>>
}

// What takes longer, people take for hanging; Nix answers in a second, and servers in less.
const checkMs = 20_000

/** `nixery doctor`; gives the exit code: 0, 1 when something fails, 2 for a wrong command line. */
export async function runDoctor(
  args: readonly string[],
  tools: DoctorTools,
  terminal: DoctorTerminal,
  signal: AbortSignal,
): Promise<0 | 1 | 2> {
  const { stdout, stderr } = terminal
  const parsed = parseDoctorArguments(args)
  if (parsed.kind === 'help') {
    stdout.write(formatHelp(doctorSyntax))
    return 0
  }
  if (parsed.kind === 'wrong') {
    stderr.write(formatSlip(doctorSyntax, parsed.message))
    return 2
  }
  const checks = await tools.checks()
  const running = checks.map((check) => runCheck(check, tools, signal))
  // When one throws, nobody waits for those after it.
  for (const each of running) each.catch(() => {})
  const all: Array<Finding & { readonly subject: string }> = []
  // In their order, each as soon as those before it are done.
  for (const [index, check] of checks.entries())
    for (const finding of await running[index]!) {
      all.push({ subject: check.subject, ...finding })
      if (!parsed.json) stdout.write(formatFinding(check.subject, finding, terminal))
    }
  const failures = all.filter(({ level }) => level === 'fail').length
  const warnings = all.filter(({ level }) => level === 'warn').length
  if (parsed.json) stdout.write(`${JSON.stringify({ failures, warnings, findings: all })}\n`)
  else stdout.write(`\n${describeSum(failures, warnings)}\n`)
  return failures > 0 ? 1 : 0
}

/** Ends in time, whatever the check does. */
async function runCheck(
  check: DoctorCheck,
  tools: DoctorTools,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const late = new AbortController()
  const { promise: isLate, resolve } = Promise.withResolvers<readonly Finding[]>()
  const stop = tools.clock.after(checkMs, () => {
    late.abort(new Error('too late'))
    resolve([
      {
        level: 'fail',
        message: `no answer in ${checkMs / 1000} s`,
        mend: 'see what holds it up: a network that drops packets, a dead mount, a busy machine',
      },
    ])
  })
  try {
    return await Promise.race([check.run(AbortSignal.any([signal, late.signal])), isLate])
  } catch (error) {
    signal.throwIfAborted()
    return late.signal.aborted ? await isLate : [tools.explain(error)]
  } finally {
    stop()
  }
}

const colours = { ok: 32, warn: 33, fail: 31 } as const

function formatFinding(
  subject: string,
  { level, message, mend }: Finding,
  { stdout, environment }: DoctorTerminal,
): string {
  const isColoured = stdout.isTTY === true && !environment['NO_COLOR']
  const word = level.padEnd(4)
  const mark = isColoured ? `\u001B[${colours[level]}m${word}\u001B[0m` : word
  const advice =
    mend === undefined || level === 'ok' ? '' : `      to mend it: ${printable(mend)}\n`
  return `${mark}  ${subject}: ${printable(message)}\n${advice}`
}

function describeSum(failures: number, warnings: number): string {
  if (failures + warnings === 0) return 'All is well.'
  const counts = [
    failures === 1 ? '1 failure' : `${failures} failures`,
    warnings === 1 ? '1 warning' : `${warnings} warnings`,
  ]
  return `${counts.join(', ')}.`
}
