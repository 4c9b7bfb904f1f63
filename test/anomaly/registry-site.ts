import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '#core/oci/digest.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { findProcesses, type FoundProcess } from './find-processes.ts'
import { prepareHeavySet, type HeavySet } from './heavy-set/prepare-heavy-set.ts'
import { startRegistry, type RegistryProcess, type StartOptions } from './registry-process.ts'

/** Directories that outlive the service that is started on them. */
export interface RegistrySite extends AsyncDisposable {
  readonly directory: string
  readonly storageDirectory: string
  readonly set: HeavySet
  readonly environment: Readonly<Record<string, string>>
  start(options?: Partial<StartOptions>): Promise<RegistryProcess>
  /** Processes of Nix, builders included, that services of this site have started. */
  findNixProcesses(): Promise<readonly FoundProcess[]>
}

/** Commands without which no service can be started, beside setpriv. */
export const siteCommands: readonly string[] = [
  'nix-store',
  'nix-instantiate',
  'apt-get',
  'dpkg-deb',
  'setpriv',
]

/** A package set, a state and a storage directory in one scratch directory. */
export async function makeSite(): Promise<RegistrySite> {
  const scratch = await makeScratchDirectory()
  const { path: directory } = scratch
  const setDirectory = join(directory, 'set')
  const set = await prepareHeavySet(setDirectory)
  const storageDirectory = join(directory, 'storage')
  // Nix hands its HOME to the programs that it runs: the mark of this site's processes.
  const home = join(directory, 'home')
  await mkdir(home)
  const environment = {
    HOME: home,
    NIXERY_STATE_DIRECTORY: join(directory, 'state'),
    STORAGE_PATH: storageDirectory,
    NIXERY_PKGS_PATH: setDirectory,
  }
  return {
    directory,
    storageDirectory,
    set,
    environment,
    start: (options = {}) =>
      startRegistry({ ...options, environment: { ...environment, ...options.environment } }),
    async findNixProcesses() {
      const found = await findProcesses(home, set.nonce)
      return found.filter(({ commandLine }) => !commandLine.includes('src/main.ts serve'))
    },
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  }
}

/** The builder of the package `hangs`, while it runs. */
export async function findHangingBuilder(site: RegistrySite): Promise<FoundProcess | undefined> {
  const found = await site.findNixProcesses()
  return found.find(({ commandLine }) => commandLine.includes('sleep 98765'))
}

/** True, or `undefined` while a Nix process of the site lives. */
export async function isWithoutNix(site: RegistrySite): Promise<true | undefined> {
  return (await site.findNixProcesses()).length === 0 || undefined
}

/** The same of commands alone: what answers questions about the store stays for the next one. */
export async function isWithoutNixCommands(site: RegistrySite): Promise<true | undefined> {
  const found = await site.findNixProcesses()
  return found.every(({ commandLine }) => commandLine.includes('nix-daemon --stdio')) || undefined
}

/** Files in staging by path: uploads in progress, and what a process left there when it ended. */
export async function findStagedFiles(
  storageDirectory: string,
): Promise<readonly { readonly path: string; readonly sizeBytes: number }[]> {
  const staging = join(storageDirectory, 'staging')
  const entries = await readdir(staging, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
  return Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name)
      const info = await stat(path).catch(() => undefined)
      return { path, sizeBytes: info?.size ?? 0 }
    }),
  )
}

/** What is wrong with what anybody can see in a storage directory; nothing after any crash. */
export async function findStorageViolations(storageDirectory: string): Promise<readonly string[]> {
  const violations: string[] = []
  const layers = join(storageDirectory, 'layers')
  for (const name of await readdir(layers)) {
    const digest = digestOf(await readFile(join(layers, name)))
    if (digest !== `sha256:${name}`) violations.push(`layers/${name} holds ${digest}`)
  }
  for (const kind of ['builds', 'manifests']) {
    for (const name of await readdir(join(storageDirectory, kind))) {
      const text = await readFile(join(storageDirectory, kind, name), 'utf8')
      for (const [, hex = ''] of text.matchAll(/"digest":"sha256:([0-9a-f]{64})"/g)) {
        const blob = await stat(join(layers, hex)).catch(() => undefined)
        if (blob === undefined) violations.push(`${kind}/${name} names ${hex}, which is not there`)
      }
    }
  }
  return violations
}
