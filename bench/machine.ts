import { cpus, loadavg, release, totalmem } from 'node:os'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'

/** What the figures depend on; nothing that names the machine. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryBytes: number
  readonly kernel: string
  readonly versions: Readonly<Record<string, string>>
  /** Average number of processes that were running in the minute before the start. */
  readonly loadBefore: number
}

const versionCommands: ReadonlyArray<readonly [command: string, argument: string]> = [
  ['nix-store', '--version'],
  ['tar', '--version'],
  ['gzip', '--version'],
  ['docker-registry', '--version'],
  ['nginx', '-v'],
]

export async function describeMachine(): Promise<Machine> {
  const versions: Record<string, string> = { node: process.version }
  for (const [command, argument] of versionCommands) {
    if (skipUnless([command]) !== false) continue
    const { stdout, stderr } = await runCommand(command, [argument])
    versions[command] = `${stdout}${stderr}`.split('\n', 1)[0] ?? ''
  }
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    versions,
    loadBefore: loadavg()[0] ?? 0,
  }
}
