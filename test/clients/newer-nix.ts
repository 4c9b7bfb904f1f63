import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { findMachineMirror } from '#package-sets/debian/index/apt.ts'
import { skipUnless } from './availability.ts'
import { outputOf, runCommand } from './run-command.ts'

/** A Nix newer than the machine's own, or why there is none. */
export type NewerNix =
  | { readonly binDirectory: string; readonly version: string }
  | { readonly skip: string }

/** Debian 14; it has Nix 2.34. */
const suite = 'forky'

/** Of a list of packages, and of 40 MB of packages through a slow line. */
const downloadTimeoutMs = 300_000

const projectRoot = join(import.meta.dirname, '..', '..')
const programs = ['nix', 'nix-store', 'nix-instantiate', 'nix-daemon'] as const

/** What the loader and the libraries are called, by the architecture in Debian's words. */
const platform =
  process.arch === 'arm64'
    ? { name: 'arm64', loader: 'lib/ld-linux-aarch64.so.1', libraries: 'lib/aarch64-linux-gnu' }
    : { name: 'amd64', loader: 'lib64/ld-linux-x86-64.so.2', libraries: 'lib/x86_64-linux-gnu' }

/**
 * Debian's own newer Nix with everything that it needs, unpacked beside the machine's programs and
 * started with libraries of its own. Downloads 50 MB, once for all runs of this checkout.
 */
export async function prepareNewerNix(): Promise<NewerNix> {
  const missing = skipUnless(['apt-get', 'dpkg-deb', 'setpriv'])
  if (missing !== false) return { skip: missing }
  const directory = join(projectRoot, '.state', `nix-${suite}`)
  const nixStore = join(directory, 'bin', 'nix-store')
  try {
    if (!existsSync(nixStore)) await install(directory)
    const text = await outputOf({ run: (args) => runCommand(nixStore, args) }, ['--version'])
    return { binDirectory: join(directory, 'bin'), version: text.trim().split(' ').at(-1) ?? '' }
  } catch (error) {
    const lines = String(error).trim().split('\n')
    return { skip: `Debian's Nix of ${suite} cannot be had here: ${lines.at(-1)}` }
  }
}

async function install(directory: string): Promise<void> {
  const mirror = await findMachineMirror()
  if (mirror === undefined) throw new Error('apt names no mirror of Debian')
  await sweepParts(directory)
  const parts = `${directory}.${process.pid}`
  try {
    const archives = await downloadPackages(join(parts, 'apt'), mirror.main)
    const root = join(parts, 'root')
    for (const archive of archives) await run('dpkg-deb', ['-x', archive, root])
    await rm(join(parts, 'apt'), { recursive: true })
    await writePrograms(parts, directory)
    await rename(parts, directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(parts, { recursive: true, force: true })
  }
}

/** Removes what runs left that were ended half-way. */
async function sweepParts(directory: string): Promise<void> {
  const home = dirname(directory)
  await mkdir(home, { recursive: true })
  const owned = (await readdir(home)).filter((name) => name.startsWith(`nix-${suite}.`))
  const dead = owned.filter((name) => !existsSync(`/proc/${name.split('.').at(-1)}`))
  for (const name of dead) await rm(join(home, name), { recursive: true, force: true })
}

/** Paths of the archives of Nix and everything that it depends on, verified by apt. */
async function downloadPackages(directory: string, mirror: string): Promise<readonly string[]> {
  const archives = join(directory, 'archives')
  for (const each of ['lists/partial', 'archives/partial', 'sources']) {
    await mkdir(join(directory, each), { recursive: true })
  }
  // As if nothing were installed, so that the libraries come along.
  await writeFile(join(directory, 'status'), '')
  await writeFile(
    join(directory, 'sources', 'debian.sources'),
    `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\n` +
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n',
  )
  const configuration = join(directory, 'apt.conf')
  await writeFile(configuration, formatConfiguration(directory))
  const apt = (...args: readonly string[]) => run('apt-get', ['-c', configuration, '-qq', ...args])
  await apt('update', '--error-on=any')
  await apt('install', '--download-only', '--yes', '--no-install-recommends', 'nix-bin')
  const names = await readdir(archives)
  return names.filter((name) => name.endsWith('.deb')).map((name) => join(archives, name))
}

/** Keeps apt away from what it knows about this machine; proxies stay in force. */
function formatConfiguration(directory: string): string {
  const path = (...names: readonly string[]) => JSON.stringify(join(directory, ...names))
  return `
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::CNF;
#clear Acquire::IndexTargets::deb::Contents-deb;
APT::Architecture "${platform.name}";
APT::Architectures { "${platform.name}"; };
APT::Sandbox::User "root";
Acquire::Languages { "none"; };
Dir::State ${path()};
Dir::State::lists ${path('lists')};
Dir::State::status ${path('status')};
Dir::Cache ${path('cache')};
Dir::Cache::archives ${path('archives')};
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts ${path('sources')};
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
`
}

/** Scripts in `parts` that start the programs from `directory`, where it will lie. */
async function writePrograms(parts: string, directory: string): Promise<void> {
  const usr = join(directory, 'root/usr')
  const configuration = join(directory, 'nix.conf')
  await writeFile(
    join(parts, 'nix.conf'),
    // Nix would start itself without its libraries, and Debian's has a shell for builders in /usr/bin.
    `build-hook = ${join(directory, 'bin/nix')} __build-remote\n` +
      `sandbox-paths = /bin/sh=${usr}/bin/bash-static\n`,
  )
  await mkdir(join(parts, 'bin'))
  const script =
    `#!/bin/sh\nexport NIX_USER_CONF_FILES='${configuration}'\n` +
    `exec '${usr}/${platform.loader}' --argv0 "\${0##*/}" --library-path '${usr}/${platform.libraries}' '${usr}/bin/nix' "$@"\n`
  const [nix, ...others] = programs.map((name) => join(parts, 'bin', name))
  await writeFile(nix!, script)
  await chmod(nix!, 0o755)
  for (const path of others) await symlink('nix', path)
}

function run(command: string, args: readonly string[]): Promise<string> {
  return outputOf(
    { run: (all) => runCommand(command, all, { timeoutMs: downloadTimeoutMs }) },
    args,
  )
}
