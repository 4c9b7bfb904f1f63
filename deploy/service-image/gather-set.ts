import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { describeError } from '#adapters/log/described-error.ts'
import {
  newestDebianPackageSet,
  prepareDebianPackageSet,
  type DebianMirror,
} from '#package-sets/debian/debian-package-set.ts'
import { readConfig } from '../../src/config.ts'
import { mirrorOfImage } from './mirror-of-image.ts'

// Run by bootstrap/image.js: fills an empty directory with the package set that has the service.
//
//    default.nix, files   of this folder
//    debian               the newest revision of the bundled set, made unless it is there
//    product              this checkout: what the service consists of, and npm's packages without those
//                         of development
//    system               what the Node among them runs on

const projectRoot = join(import.meta.dirname, '..', '..')
const [target = ''] = process.argv.slice(2)

const parts = [
  'LICENSE',
  'package.json',
  'deploy/check-health.js',
  'dist',
  'nix',
  'package-sets',
  'src',
]

/**
 * Tests need what is not here, and of Node the program is enough. Nothing of the product is hidden: such
 * files are an editor's, or have somebody's settings.
 */
const isLeftOut = (path: string) =>
  /\.(?:test|soak)\.ts$|\/testing$|\/\.[^/]+$|\/node-linux-[^/]+\/(?:include|share)$/.test(path)

async function copy(path: string): Promise<void> {
  const from = join(projectRoot, path)
  await cp(from, join(target, 'product', path), {
    recursive: true,
    verbatimSymlinks: true,
    // Packages below a package have lines of their own in the lock file.
    filter: (each) => !isLeftOut(each) && (basename(each) !== 'node_modules' || each === from),
  })
}

/** Where npm has installed what the service imports. */
async function listProductionPackages(): Promise<readonly string[]> {
  const text = await readFile(join(projectRoot, 'node_modules', '.package-lock.json'), 'utf8')
  const { packages } = JSON.parse(text) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>
  }
  return Object.keys(packages).filter((path) => packages[path]?.dev !== true)
}

async function copyBundledSet(): Promise<void> {
  const { stateDirectory, debianMirror } = readConfig(process.env)
  const stored = await newestDebianPackageSet(stateDirectory)
  const signal = new AbortController().signal
  const tell = (line: string) => process.stderr.write(`${line}\n`)
  const set =
    stored?.set ??
    (await prepareDebianPackageSet({ stateDirectory, mirror: debianMirror }, tell, signal))
  const directory = join(target, 'debian')
  await cp(dirname(set.entry), directory, { recursive: true })
  const path = join(directory, 'mirror.json')
  const prepared = JSON.parse(await readFile(path, 'utf8')) as DebianMirror
  await writeFile(path, `${JSON.stringify(mirrorOfImage(prepared, debianMirror))}\n`)
}

async function gather(): Promise<void> {
  const here = import.meta.dirname
  await cp(join(here, 'default.nix'), join(target, 'default.nix'))
  await cp(join(here, 'files'), join(target, 'files'), { recursive: true })
  await copyBundledSet()
  await mkdir(join(target, 'product'))
  for (const path of [...parts, ...(await listProductionPackages())]) await copy(path)
  await cp(
    join(projectRoot, 'node_modules', '.bin', 'node'),
    join(target, 'product', 'node_modules', '.bin', 'node'),
    { verbatimSymlinks: true },
  )
  const system = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
  await writeFile(join(target, 'system'), system)
}

try {
  await gather()
} catch (error) {
  process.stderr.write(`nixery: ${describeError(error)}\n`)
  process.exitCode = 1
}
