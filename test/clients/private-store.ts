import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import {
  createNixPackageBuilder,
  type NixPackageBuilder,
  type NixPackageBuilderOptions,
} from '#adapters/nix/nix-package-builder.ts'
import type { FoundPackage } from '#core/nix/package-outcome.ts'
import type { RealiseOutcome, RealiseProgress } from '#engine/ports/package-builder.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { outputOf, runCommand } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

/** A Nix store in a directory, which only root can build in; nobody else's paths are in it. */
export type PrivateStore = AsyncDisposable & {
  readonly settings: ReadonlyMap<string, string>
  /** The packages of one awkward set, evaluated into this store and not yet realised. */
  readonly packages: Readonly<Record<PackageName, FoundPackage>>
  open(options?: Partial<NixPackageBuilderOptions>): Promise<NixPackageBuilder>
  realise(
    packages: readonly FoundPackage[],
    options?: Partial<NixPackageBuilderOptions>,
  ): Promise<{ readonly outcome: RealiseOutcome; readonly built: readonly string[] }>
  /** Whether the outputs of a package are in this store. */
  holds(found: FoundPackage): Promise<boolean>
  run(command: string, args: readonly string[]): Promise<string>
}

type PackageName = 'greeting' | 'tool' | 'trivial' | 'remote' | 'fails' | 'steals'

/** What nixpkgs' smallest packages are: made where they are asked for, whatever the caches hold. */
const expression = (directory: string) => `
  let
    set = import ${directory} { system = builtins.currentSystem; };
    trivial = derivation (set.tool.drvAttrs // {
      name = "trivial-1.0";
      preferLocalBuild = true;
      allowSubstitutes = false;
    });
    describe = package: {
      derivation = package.drvPath;
      outputs = [ { name = "out"; path = (package.out or package).outPath; } ];
    };
  in builtins.mapAttrs (_: describe) { inherit trivial; inherit (set) greeting tool remote fails steals; }
`

/** The awkward package set in a directory, and stores that share nothing but that. */
export async function preparePrivateStores(): Promise<
  AsyncDisposable & { readonly directory: string; open(): Promise<PrivateStore> }
> {
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const setDirectory = join(directory, 'set')
  await mkdir(setDirectory)
  await prepareAwkwardSet(setDirectory)
  let count = 0
  const resources = stack.move()
  return {
    directory,
    open: () => openStore(setDirectory, join(directory, String((count += 1)))),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function openStore(setDirectory: string, directory: string): Promise<PrivateStore> {
  await using stack = new AsyncDisposableStack()
  const home = join(directory, 'home')
  await mkdir(home, { recursive: true })
  const settings = new Map([
    ['store', `local?root=${join(directory, 'root')}`],
    ['substituters', ''],
  ])
  // Nix remembers in the home directory what caches hold.
  const inheritedEnvironment = { ...process.env, HOME: home }
  const config = [
    'build-users-group =',
    ...[...settings].map(([name, value]) => `${name} = ${value}`),
  ]
  const run = (command: string, args: readonly string[]) =>
    outputOf(
      {
        run: (all) =>
          runCommand(all[0]!, all.slice(1), { env: { HOME: home, NIX_CONFIG: config.join('\n') } }),
      },
      [command, ...args],
    )
  const open = async (options: Partial<NixPackageBuilderOptions> = {}) => {
    const builder = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      nixTimeoutS: 30,
      settings,
      inheritedEnvironment,
      ...options,
    })
    opened.defer(() => builder.close())
    return builder
  }
  const text = await run('nix-instantiate', [
    '--eval',
    '--read-write-mode',
    '--strict',
    '--json',
    '--expr',
    expression(setDirectory),
  ])
  const described = JSON.parse(text) as Record<
    PackageName,
    Pick<FoundPackage, 'derivation' | 'outputs'>
  >
  const found = (name: PackageName): FoundPackage => ({
    kind: 'found',
    package: name,
    attributePath: [name],
    ...described[name],
  })
  const opened = stack.move()
  return {
    settings,
    packages: {
      greeting: found('greeting'),
      tool: found('tool'),
      trivial: found('trivial'),
      remote: found('remote'),
      fails: found('fails'),
      steals: found('steals'),
    },
    open,
    async realise(wanted, options) {
      const builder = await open(options)
      const lease = await builder.lease()
      const built: string[] = []
      const observe = (progress: RealiseProgress) => {
        if (progress.kind === 'build-started') built.push(progress.name)
      }
      try {
        const signal = AbortSignal.timeout(120_000)
        return { outcome: await builder.realise(wanted, lease, observe, signal), built }
      } finally {
        await lease.release()
      }
    },
    async holds({ outputs }) {
      const paths = outputs.map(({ path }) => path)
      const missing = await run('nix-store', ['--check-validity', '--print-invalid', ...paths])
      return missing.trim() === ''
    },
    run,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
