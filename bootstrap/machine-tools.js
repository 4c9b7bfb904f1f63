import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'

// What commands of nixery need of the machine; the others run without Nix, `doctor` to say that it is missing.
const commandPurposes = new Map([
  ['serve', 'serve'],
  ['build', 'build'],
  ['search', 'build'],
  ['popularity', 'build'],
])

/** What `nixery` with these arguments needs; `undefined` for what a shell asks while somebody types. */
export function purposeOf([command, ...others]) {
  if (command === 'search' && others.includes('--complete')) return undefined
  const wantsHelp = others.some((argument) => argument === '--help' || argument === '-h')
  return (wantsHelp ? undefined : commandPurposes.get(command)) ?? 'command'
}

/**
 * What each purpose needs from the machine. A tool is looked for by its commands, files and libraries and
 * not by its package, so that whatever is there already (docker-ce, a Nix from nixos.org) is used.
 *
 * - `unless`: commands and files whose presence forbids the installation, because it would compete
 *   with the first and overwrite the second
 * - `purposes`: all of them where it is not given
 * - `optional`: the purpose goes on without it; the tests that need it say why they skip
 * - `startsService`: the package is wanted for its service, which is therefore started
 */
export const machineTools = [
  {
    // The product's Node is linked to it, and nothing on a small Debian brings it.
    debianPackage: 'libatomic1',
    libraries: ['libatomic.so.1'],
  },
  {
    debianPackage: 'nix-bin',
    commands: ['nix-instantiate', 'nix-store'],
    isNeeded: () => !process.env.NIXERY_NIX_BIN,
    purposes: ['serve', 'build', 'test', 'bench'],
  },
  {
    // Root works on the store itself; everybody else needs the daemon to do it for them.
    debianPackage: 'nix-setup-systemd',
    files: ['/nix/var/nix/daemon-socket/socket'],
    isNeeded: () =>
      process.getuid?.() !== 0 && !process.env.NIX_REMOTE && !isWritable('/nix/var/nix/db'),
    purposes: ['serve', 'build', 'test', 'bench'],
    startsService: true,
  },
  {
    debianPackage: 'apt',
    commands: ['apt-get', 'apt-config'],
    files: ['/usr/lib/apt/apt-helper'],
    purposes: ['serve', 'build', 'test', 'bench'],
  },
  { debianPackage: 'dpkg', commands: ['dpkg-deb'], purposes: ['serve', 'build', 'test', 'bench'] },
  // Package sets in repositories. Its ssh is only recommended, and whoever uses ssh has it.
  {
    debianPackage: 'git',
    commands: ['git'],
    purposes: ['serve', 'build', 'test', 'bench', 'fresh'],
  },
  // Archives of nixpkgs.
  {
    debianPackage: 'tar',
    commands: ['tar'],
    purposes: ['serve', 'build', 'test', 'bench', 'deploy'],
  },
  // Unpacks the list of a channel for `nixery popularity`.
  { debianPackage: 'xz-utils', commands: ['xz'], purposes: ['serve', 'build', 'test'] },
  {
    debianPackage: 'debian-archive-keyring',
    files: ['/usr/share/keyrings/debian-archive-keyring.gpg'],
    purposes: ['serve', 'build', 'test', 'bench'],
  },
  {
    debianPackage: 'ca-certificates',
    files: ['/etc/ssl/certs/ca-certificates.crt'],
    purposes: ['serve', 'build', 'test', 'bench'],
  },
  {
    debianPackage: 'docker.io',
    commands: ['dockerd', 'docker'],
    // A docker elsewhere, as in /usr/local/bin, may be a client alone and is not touched by the package.
    unless: { commands: ['dockerd'], files: ['/usr/bin/docker'] },
    purposes: ['test', 'deploy'],
    optional: true,
  },
  {
    debianPackage: 'containerd',
    commands: ['containerd', 'ctr'],
    unless: { commands: ['containerd'], files: [] },
    purposes: ['test', 'deploy'],
    optional: true,
  },
  {
    debianPackage: 'runc',
    commands: ['runc'],
    purposes: ['test', 'deploy'],
    optional: true,
  },
  { debianPackage: 'podman', commands: ['podman'], purposes: ['test'], optional: true },
  { debianPackage: 'skopeo', commands: ['skopeo'], purposes: ['test'], optional: true },
  { debianPackage: 'umoci', commands: ['umoci'], purposes: ['test'], optional: true },
  // They read what `nixery completion` prints.
  { debianPackage: 'zsh', commands: ['zsh'], purposes: ['test'], optional: true },
  { debianPackage: 'fish', commands: ['fish'], purposes: ['test'], optional: true },
  // Looks at the page.
  { debianPackage: 'chromium', commands: ['chromium'], purposes: ['test'], optional: true },
  // Readers of our layers.
  { debianPackage: 'python3', commands: ['python3'], purposes: ['test'], optional: true },
  { debianPackage: 'zstd', commands: ['zstd'], purposes: ['test'], optional: true },
  // binfmt-support comes first: the package of the emulator registers itself with it if it is there.
  {
    debianPackage: 'binfmt-support',
    commands: ['update-binfmts'],
    purposes: ['test'],
    optional: true,
  },
  {
    debianPackage: 'qemu-user-static',
    commands: ['qemu-aarch64-static'],
    purposes: ['test'],
    optional: true,
  },
  { debianPackage: 'gzip', commands: ['gzip'], purposes: ['test', 'bench'] },
  {
    debianPackage: 'docker-registry',
    commands: ['docker-registry'],
    purposes: ['test', 'bench'],
    optional: true,
  },
  { debianPackage: 'skopeo', commands: ['skopeo'], purposes: ['bench'], optional: true },
  {
    debianPackage: 'nginx-light',
    commands: ['nginx'],
    purposes: ['bench'],
    optional: true,
  },
  { debianPackage: 'wrk', commands: ['wrk'], purposes: ['bench'], optional: true },
  { debianPackage: 'debootstrap', commands: ['debootstrap'], purposes: ['fresh', 'deploy'] },
]

/** The tools of `purpose` that the machine does not have. */
export function missingTools(purpose) {
  return machineTools.filter(
    (tool) => (tool.purposes?.includes(purpose) ?? true) && !isPresent(tool),
  )
}

export function isPresent(tool) {
  if (tool.isNeeded !== undefined && !tool.isNeeded()) return true
  const { commands = [], files = [], libraries = [] } = tool
  return (
    commands.every((name) => findCommand(name) !== undefined) &&
    files.every(existsSync) &&
    libraries.every(isLibrary)
  )
}

/** What is looked for, in words. */
export function formatTool({ commands = [], files = [], libraries = [] }) {
  return [...commands, ...files, ...libraries].join(', ')
}

function isLibrary(name) {
  return libraryFolders.some((folder) => existsSync(join(folder, name)))
}

// Debian's for both processors, then those of other distributions.
const libraryFolders = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/lib/x86_64-linux-gnu',
  '/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
]

/** What is on the machine already and forbids to install the tool. */
export function obstacleOf({ unless = { commands: [], files: [] } }) {
  return (
    unless.commands.map(findCommand).find((path) => path !== undefined) ??
    unless.files.find(existsSync)
  )
}

/** Where `name` is, looked for like a shell does, and where daemons are although a user's PATH may not say so. */
export function findCommand(name) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

function isExecutable(path) {
  return isAccessible(path, constants.X_OK)
}

/** Whether this process may write to a file, or make files in a directory. */
export function isWritable(path) {
  return isAccessible(path, constants.W_OK)
}

function isAccessible(path, mode) {
  try {
    accessSync(path, mode)
    return true
  } catch {
    // Absent and forbidden are the same to somebody who wants to use it.
    return false
  }
}
