import { Buffer } from 'node:buffer'
import { addNode, findNode, makeDirectory, removeNode, type RootDirectory } from './root-tree.ts'

// What programs expect of any system, whatever packages are in the image. Packages win: nothing
// here replaces what one of them provides.

const directories: readonly (readonly [path: string, mode: number])[] = [
  ['etc', 0o755],
  // Mount points. Runtimes would make them, but not in a root file system that is read-only.
  ['dev', 0o755],
  ['proc', 0o755],
  ['sys', 0o755],
  ['root', 0o700],
  ['run', 0o755],
  ['tmp', 0o1777],
  ['var/tmp', 0o1777],
]

const files: readonly (readonly [path: string, lines: readonly string[]])[] = [
  // ssh and git refuse to work for a user without a name, nginx and others without the account that
  // they give their privileges up for. The numbers are those of Debian and of the Linux Standard Base.
  [
    'etc/passwd',
    [
      'root:x:0:0:root:/root:/bin/sh',
      'daemon:x:1:1:daemon:/nonexistent:/bin/false',
      'bin:x:2:2:bin:/nonexistent:/bin/false',
      'sys:x:3:3:sys:/nonexistent:/bin/false',
      'mail:x:8:8:mail:/nonexistent:/bin/false',
      'www-data:x:33:33:www-data:/nonexistent:/bin/false',
      'nobody:x:65534:65534:nobody:/nonexistent:/bin/false',
    ],
  ],
  [
    'etc/group',
    [
      'root:x:0:',
      'daemon:x:1:',
      'bin:x:2:',
      'sys:x:3:',
      'adm:x:4:',
      'tty:x:5:',
      'disk:x:6:',
      'mail:x:8:',
      'www-data:x:33:',
      'utmp:x:43:',
      'staff:x:50:',
      'users:x:100:',
      'nogroup:x:65534:',
    ],
  ],
  // Without it, glibc asks no DNS server before it has looked for an NIS one.
  [
    'etc/nsswitch.conf',
    [
      'passwd: files',
      'group: files',
      'shadow: files',
      'hosts: files dns',
      'networks: files',
      'protocols: files',
      'services: files',
      'ethers: files',
      'rpc: files',
    ],
  ],
]

/** Directories that programs look for below /usr, where Debian and most build systems put them. */
const namesInUsr = ['bin', 'games', 'include', 'lib', 'lib64', 'libexec', 'sbin', 'share']

/** Which program is sh when none is called so; the first that is there. */
const shells = ['bash', 'dash', 'busybox', 'mksh', 'zsh']

/** Adds what is missing to the tree of packages. Every link leads to something in the tree. */
export function addBaseSkeleton(root: RootDirectory): void {
  for (const [path, mode] of directories) {
    addNode(root, path, makeDirectory())
    const node = findNode(root, path)
    if (node?.kind === 'directory') node.mode = mode
  }
  for (const [path, lines] of files) {
    const contents = Buffer.from(lines.map((line) => `${line}\n`).join(''))
    addNode(root, path, { kind: 'file', mode: 0o644, contents })
  }
  addLink(root, 'var/run', 'run', '../run')
  for (const name of namesInUsr) addLink(root, `usr/${name}`, name, `../${name}`)
  const shell = shells.find((name) => findNode(root, `bin/${name}`) !== undefined)
  if (shell !== undefined) addLink(root, 'bin/sh', `bin/${shell}`, shell)
  // Taken only when a package has a usr/bin of its own.
  addLink(root, 'usr/bin/env', 'bin/env', '../../bin/env')
  // Go, Python and Debian's programs look for the second name, Nix and Red Hat's for the first.
  const certificates = 'etc/ssl/certs'
  for (const [name, other] of [
    ['ca-certificates.crt', 'ca-bundle.crt'],
    ['ca-bundle.crt', 'ca-certificates.crt'],
  ] as const) {
    addLink(root, `${certificates}/${name}`, `${certificates}/${other}`, other)
  }
}

/**
 * Links to something in the tree, if it is there. An empty directory gives way: Debian's base-files
 * ships one as var/run, and makes the link when it is installed.
 */
function addLink(root: RootDirectory, path: string, source: string, target: string): void {
  if (findNode(root, source) === undefined) return
  const present = findNode(root, path)
  if (present?.kind === 'directory' && present.children.size === 0) removeNode(root, path)
  addNode(root, path, { kind: 'symlink', target })
}
