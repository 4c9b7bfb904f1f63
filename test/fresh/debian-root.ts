import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '#test/clients/run-command.ts'

const release = 'bookworm'
const minuteMs = 60_000

/** Whom this machine trusts: what it reaches, a machine inside of it reaches with these. */
export const outsideCertificates =
  process.env['NODE_EXTRA_CA_CERTS'] ?? '/etc/ssl/certs/ca-certificates.crt'

/** Makes the smallest Debian 12 in an empty directory, with the apt sources of this machine. */
export async function makeDebianRoot(root: string): Promise<void> {
  const sources = await listSources()
  const mirror = sources.find(({ suite }) => suite === release)
  if (mirror === undefined) throw new Error(`apt of this machine knows no Debian ${release}`)
  await mustRun('debootstrap', ['--variant=minbase', release, root, mirror.uri], 15 * minuteMs)
  const lines = sources.map(({ uri, suite, component }) => ['deb', uri, suite, component].join(' '))
  await writeFile(join(root, 'etc/apt/sources.list'), `${lines.join('\n')}\n`)
}

/** Debian's own sources of this machine, as lines of a sources.list. */
async function listSources(): Promise<{ uri: string; suite: string; component: string }[]> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)'
  const output = await mustRun('apt-get', [
    'indextargets',
    `--format=${format}`,
    'Created-By: Packages',
    'Origin: Debian',
  ])
  return output
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([uri = '', suite = '', component = '']) => ({ uri, suite, component }))
}

/** The standard output of a command that has to succeed. */
export async function mustRun(
  command: string,
  args: readonly string[],
  timeoutMs = minuteMs,
): Promise<string> {
  const { stdout, stderr, exitCode } = await runCommand(command, args, { timeoutMs })
  if (exitCode !== 0) throw new Error(`${command} exits with ${exitCode}\n${stdout}${stderr}`)
  return stdout
}
