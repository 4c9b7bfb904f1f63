import { rm, stat } from 'node:fs/promises'
import { runCommand } from '#test/clients/run-command.ts'
import type { CommandResult } from '#test/clients/run-command.ts'
import type { Figure } from './figure.ts'
import { buildFigures } from './measured-build.ts'

// Synced, because the product's blobs are. bash itself measures: Debian has no `time` command that is
// always there.
const packScript = `
archive=$1
shift
TIMEFORMAT='%R %U %S'
time {
  tar --create --directory=/ --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner "$@" |
    gzip -6 >"$archive"
  sync "$archive"
}`

/** Packs store paths, without their first slash, into one archive, which does not stay. */
export async function measureGnuTar(
  storePaths: readonly string[],
  archive: string,
): Promise<readonly Figure[]> {
  const { stderr } = await runScript(packScript, [archive, ...storePaths])
  const times = /^(\d+\.\d+) (\d+\.\d+) (\d+\.\d+)\n$/.exec(stderr)
  if (times === null) throw new Error(`tar and gzip complain: ${stderr}`)
  const [seconds, userSeconds, systemSeconds] = times.slice(1).map(Number)
  const { size } = await stat(archive)
  await rm(archive)
  return [
    ...buildFigures(seconds!, userSeconds! + systemSeconds!),
    { name: 'output', unit: 'MB', value: size / 1e6 },
  ]
}

const listScript = String.raw`tar --list --gzip --file="$1" | sed -nE 's,^(nix/store/[^/]+).*,\1,p' | uniq`

/** The store paths in a layer, without their first slash. */
export async function listStorePaths(layerPath: string): Promise<readonly string[]> {
  const { stdout } = await runScript(listScript, [layerPath])
  return stdout.split('\n').filter((line) => line !== '')
}

async function runScript(script: string, args: readonly string[]): Promise<CommandResult> {
  const result = await runCommand('bash', ['-e', '-o', 'pipefail', '-c', script, 'bash', ...args])
  if (result.exitCode !== 0) throw new Error(`tar and gzip fail: ${result.stderr}`)
  return result
}
