import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { projectRoot } from './project-root.js'
import { findCommand } from './machine-tools.js'
import { lastLines, maxOutputBytes } from './npm-packages.js'

/** Why this process may not install packages, or undefined when it may. */
export function installationObstacle() {
  if (findCommand('apt-get') === undefined) return 'this machine has no apt-get'
  if (process.getuid?.() === 0) return undefined
  if (findCommand('sudo') === undefined) return 'only root may install packages'
  const probe = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' })
  return probe.status === 0 ? undefined : 'only root may install packages, and sudo asks a password'
}

/** The packages that bring `tools`, each once. */
export function packagesOf(tools) {
  return [...new Set(tools.map((tool) => tool.debianPackage))]
}

/** What a person types to install `packages`. */
export function formatInstallCommand(packages) {
  const sudo = process.getuid?.() === 0 ? '' : 'sudo '
  return `${sudo}apt-get install --no-install-recommends ${packages.join(' ')}`
}

/**
 * Installs `packages` and removes nothing. The package lists are fetched only after a first failure:
 * most machines have them, and fetching takes longer than installing.
 */
export function installDebianPackages(packages, { startServices }) {
  const install = () =>
    runApt(
      ['install', '--yes', '--no-install-recommends', '--no-remove', '--no-upgrade', ...packages],
      { startServices },
    )
  const first = install()
  if (first.ok) return first
  // One unreachable source makes the update fail although Debian's own lists came: so its outcome is
  // judged by the second try alone.
  runApt(['update'], { startServices })
  return install()
}

function runApt(arguments_, { startServices }) {
  const command = [
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'APT_LISTCHANGES_FRONTEND=none',
    'NEEDRESTART_SUSPEND=1',
    'LC_ALL=C.UTF-8',
    'apt-get',
    '--quiet',
    '--option=APT::Color=0',
    '--option=Dpkg::Use-Pty=0',
    // Another installation on the machine is waited for and not disturbed.
    `--option=DPkg::Lock::Timeout=${lockTimeoutSeconds}`,
    '--option=Dpkg::Options::=--force-confold',
    ...(startServices ? [] : [`--option=DPkg::Path=${quietServicesPath()}`]),
    ...arguments_,
  ]
  const [program, ...rest] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command]
  const result = spawnSync(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: maxOutputBytes,
  })
  if (result.error !== undefined) return { ok: false, reason: result.error.message }
  return result.status === 0
    ? { ok: true }
    : { ok: false, reason: lastLines(result.stdout + result.stderr) }
}

// Longer than the largest of our own installations takes beside another one.
const lockTimeoutSeconds = 600

/**
 * Debian's packages start and enable their services when they are installed. The PATH of their scripts
 * gets a folder in front whose `invoke-rc.d`, `deb-systemd-invoke` and `deb-systemd-helper` do not. A
 * `policy-rc.d` in /usr/sbin would do the same for the starts, but it is the machine's own file: it may
 * be there already, and ours would stay after a kill.
 */
function quietServicesPath() {
  return [join(projectRoot, 'bootstrap', 'quiet-services'), ...systemFolders].join(':')
}

const systemFolders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']
