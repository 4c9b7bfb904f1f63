import { join } from 'node:path'
import { runCommand } from '#test/clients/run-command.ts'

/** What one load gave. */
export interface LoadResult {
  readonly requests: number
  readonly bytes: number
  readonly seconds: number
  readonly p99Ms: number
}

interface WrkSummary {
  readonly requests: number
  readonly durationUs: number
  readonly bytes: number
  readonly errors: number
  readonly p99Us: number
}

// Long enough for the just-in-time compiler to settle, short enough for many rounds.
const durationSeconds = 4

/** A closed loop: each of the connections asks again as soon as it has its answer. */
export async function measureLoad(
  url: string,
  { connections, accept = '*/*' }: { readonly connections: number; readonly accept?: string },
): Promise<LoadResult> {
  const { stdout, stderr, exitCode } = await runCommand('wrk', [
    '--threads=1',
    `--connections=${connections}`,
    `--duration=${durationSeconds}s`,
    '--timeout=30s',
    `--header=Accept: ${accept}`,
    `--script=${join(import.meta.dirname, 'print-summary.lua')}`,
    url,
  ])
  if (exitCode !== 0) throw new Error(`wrk: ${stdout}${stderr}`)
  const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as WrkSummary
  if (summary.errors > 0) throw new Error(`${url} fails under load:\n${stdout}`)
  return {
    requests: summary.requests,
    bytes: summary.bytes,
    seconds: summary.durationUs / 1e6,
    p99Ms: summary.p99Us / 1000,
  }
}
