/** For tests: a root directory such as an image has, without the image. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

/** Not worth thousands of links in a test. */
const leftOut: ReadonlySet<string> = new Set([
  'nix-support',
  'share/doc',
  'share/lintian',
  'share/locale',
  'share/man',
])

/** Makes the root: the packages first, then what they propagate, as the image's root layer does. */
export function assembleRoot(root: string, packages: readonly string[]): void {
  mkdirSync(root, { recursive: true })
  mergeDirectories(propagatedClosure(packages), root, '')
  for (const name of ['nix', 'proc', 'dev', 'tmp', 'usr', 'etc']) {
    mkdirSync(join(root, name), { recursive: true })
  }
  for (const name of ['bin', 'sbin', 'lib', 'share', 'libexec', 'include']) {
    if (existsSync(join(root, name))) symlinkSync(`../${name}`, join(root, 'usr', name))
  }
  if (!existsSync(join(root, 'etc/passwd'))) {
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\n')
  }
}

/** The given store paths and, nearest first, all that they want installed with them. */
export function propagatedClosure(packages: readonly string[]): readonly string[] {
  const found = new Set(packages)
  for (const path of found) {
    const file = join(path, 'nix-support/propagated-user-env-packages')
    if (!existsSync(file)) continue
    for (const each of readFileSync(file, 'utf8').split(/\s+/)) if (each !== '') found.add(each)
  }
  return [...found]
}

/** Directories that must be real, because something is added to them or left out of them. */
const alwaysReal: ReadonlySet<string> = new Set(['etc', 'share'])

/** A name that one directory has becomes a link; a directory that several have is merged; else the first wins. */
function mergeDirectories(directories: readonly string[], root: string, below: string): void {
  const sources = new Map<string, string[]>()
  for (const directory of directories) {
    for (const name of readdirSync(directory)) {
      sources.set(name, [...(sources.get(name) ?? []), join(directory, name)])
    }
  }
  for (const [name, paths] of sources) {
    const path = join(below, name)
    if (leftOut.has(path)) continue
    const [first] = paths as [string, ...string[]]
    if (!isDirectory(first) || (paths.length === 1 && !alwaysReal.has(path))) {
      symlinkSync(first, join(root, path))
      continue
    }
    mkdirSync(join(root, path))
    mergeDirectories(paths.filter(isDirectory), root, path)
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
