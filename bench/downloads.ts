import { join } from 'node:path'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import type { Figure } from './figure.ts'
import { readTreeSeconds } from './process-usage.ts'

const program = join(import.meta.dirname, 'download-for.ts')

// Some twenty downloads of 200 MB.
const durationSeconds = 4

export interface DownloadPlan {
  readonly url: URL
  /** The server's process; its children count too. */
  readonly pid: number
  readonly clients: number
}

/** What downloads of one file by several clients at once give, and what they cost the server. */
export async function measureDownloads({
  url,
  pid,
  clients,
}: DownloadPlan): Promise<readonly Figure[]> {
  const secondsBefore = await readTreeSeconds(pid)
  const client = {
    run: (args: readonly string[]) => runCommand(process.execPath, [program, ...args]),
  }
  const output = await outputOf(client, [url.href, String(clients), String(durationSeconds)])
  const { bytes, seconds } = JSON.parse(output) as { bytes: number; seconds: number }
  const processorSeconds = (await readTreeSeconds(pid)) - secondsBefore
  const suffix = clients === 1 ? '1 client' : `${clients} clients`
  return [
    { name: `throughput, ${suffix}`, unit: 'MB/s', value: bytes / 1e6 / seconds },
    { name: `processor time, ${suffix}`, unit: 's/GB', value: processorSeconds / (bytes / 1e9) },
  ]
}
