import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { outputOf, runCommand, type Client } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { readUnit } from './read-unit.ts'

// What nixpkgs makes of these files is not seen here: without nixpkgs they are evaluated against a stub
// of it, which shows what they ask for.
const projectRoot = join(import.meta.dirname, '..', '..')
const stub = join(import.meta.dirname, 'nixpkgs-stub.nix')
const nix: Client = { run: (args, options) => runCommand('nix', args, options) }
const evaluator: Client = { run: (args, options) => runCommand('nix-instantiate', args, options) }

async function evaluate(expression: string): Promise<unknown> {
  const args = ['--eval', '--strict', '--json', '--expr', expression]
  return JSON.parse(await outputOf(evaluator, args))
}

const fromDefault = (attribute: string, options = '') =>
  evaluate(`(import ${projectRoot}/default.nix { pkgs = import ${stub}; ${options} }).${attribute}`)

type LockEntry = {
  readonly integrity?: string
  readonly os?: string | readonly string[]
  readonly cpu?: string | readonly string[]
}
type Lock = { readonly packages: Readonly<Record<string, LockEntry>> }

suite('the Nix files', { skip: skipUnless(['nix', 'nix-instantiate']) }, () => {
  test('package.nix fetches what npm installs on the platform by the hashes of the lock file, but not Node', async () => {
    const { packages } = await readJson<Lock>('package-lock.json')
    const isForStub = ({ os = 'linux', cpu = 'x64' }: LockEntry) =>
      os.includes('linux') && cpu.includes('x64')
    const expected = Object.entries(packages)
      .filter(
        ([path, entry]) => entry.integrity && isForStub(entry) && !path.includes('/node-linux-'),
      )
      .map(([path, { integrity }]) => [path, integrity])
    const fetched = (await fromDefault('nixery.npmDeps.packageSourceOverrides')) as Readonly<
      Record<string, { readonly outputHash: string }>
    >
    const found = Object.entries(fetched).map(([path, { outputHash }]) => [path, outputHash])
    assert.ok(found.length > 100)
    assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected))
  })

  test('package.nix asks npm for the package that a path of the lock file stands for', async () => {
    const path = 'nixery.npmDeps.packageSourceOverrides'
    const scriptOf = async (name: string) =>
      ((await fromDefault(`${path}."node_modules/${name}"`)) as { readonly script: string }).script
    assert.match(await scriptOf('zod'), /^npm pack --silent zod@\d+\.\d+\.\d+$/m)
    assert.match(await scriptOf('@aws-sdk/types'), /^npm pack --silent @aws-sdk\/types@\d/m)
    assert.match(
      await scriptOf('gcp-metadata/node_modules/gaxios'),
      /^npm pack --silent gaxios@\d/m,
    )
  })

  test('package.nix gives npm a lock file and a package.json that agree', async () => {
    const root = (await fromDefault('nixery.npmDeps.packageLock.packages.""')) as object
    const { dependencies, devDependencies, optionalDependencies } = (await fromDefault(
      'nixery.npmDeps.package',
    )) as Readonly<Record<string, object>>
    assert.equal(optionalDependencies, undefined)
    assert.partialDeepStrictEqual(root, { dependencies, devDependencies })
    assert.ok(!('optionalDependencies' in root))
  })

  test('package.nix takes what it installs from its sources', async () => {
    const { src, installPhase } = (await fromDefault('nixery')) as {
      readonly src: readonly string[]
      readonly installPhase: string
    }
    const copied = /^cp -r (.*) \$out/m.exec(installPhase)?.[1]?.split(' ') ?? []
    const sources = src.map((path) => path.slice(projectRoot.length + 1))
    const made = ['dist', 'node_modules']
    assert.ok(copied.includes('src'))
    assert.deepEqual(
      copied.filter((name) => !sources.includes(name)),
      made,
    )
  })

  test('default.nix makes an image for docker load out of the package and what people add', async () => {
    const image = await fromDefault(
      'nixery-image',
      `extraPackages = [ "/stub/added" ]; preLaunch = "echo early"; maxLayers = 7;`,
    )
    assert.partialDeepStrictEqual(image, {
      name: 'nixery',
      tag: 'latest',
      maxLayers: 7,
      includeNixDB: true,
      config: { Cmd: ['serve'], ExposedPorts: { '8080/tcp': {} } },
    })
    const { contents } = image as { readonly contents: readonly string[] }
    for (const name of ['nix', 'git', 'cacert', 'added'])
      assert.ok(contents.includes(`/stub/${name}`))
  })

  test('flake.nix has the package, the image and the module for both processors', async () => {
    await using directory = await makeScratchDirectory()
    const flake = join(directory.path, 'nixery')
    for (const path of [
      'flake.nix',
      'default.nix',
      'package.json',
      'package-lock.json',
      ...nixFiles,
    ]) {
      await mkdir(dirname(join(flake, path)), { recursive: true })
      await copyFile(join(projectRoot, path), join(flake, path))
    }
    const nixpkgs = join(directory.path, 'nixpkgs')
    await mkdir(nixpkgs)
    await copyFile(stub, join(nixpkgs, 'stub.nix'))
    await writeFile(join(nixpkgs, 'flake.nix'), stubFlake)
    const show = async (output: string, apply: string): Promise<unknown> => {
      const lock = ['--no-write-lock-file', '--override-input', 'nixpkgs', `path:${nixpkgs}`]
      const features = ['--extra-experimental-features', 'nix-command flakes']
      const what = [`path:${flake}#${output}`, '--apply', apply]
      return JSON.parse(await outputOf(nix, [...features, 'eval', '--json', ...lock, ...what]))
    }
    const names = ['default', 'nixery', 'nixery-image']
    assert.deepEqual(await show('packages', 'builtins.mapAttrs (system: builtins.attrNames)'), {
      'aarch64-linux': names,
      'x86_64-linux': names,
    })
    assert.equal(await show('packages', 'all: all.aarch64-linux.nixery-image.name'), 'nixery')
    const isModule = 'all: builtins.isFunction (import all.default)'
    assert.equal(await show('nixosModules', isModule), true)
  })

  test('nixos-module.nix makes a service that may do what nixery.service may', async () => {
    const unit = await readUnit(join(projectRoot, 'deploy', 'nixery.service'))
    const { service, environment } = await evaluateModule('{ }')
    const own = new Set(['ExecStart', 'EnvironmentFile'])
    const expected = Object.entries(unit['Service'] ?? {}).filter(
      ([name]) => name !== 'Environment' && !own.has(name),
    )
    const found = Object.entries(service)
      .filter(([name]) => !own.has(name))
      .map(([name, value]) => [name, formatDirective(name, value)])
    assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected))
    assert.equal(service['ExecStart'], '/stub/nixery/bin/nixery serve')
    const variables = (unit['Service']?.['Environment'] ?? '').split('\n')
    for (const variable of variables) {
      const [name = '', value] = variable.split('=')
      assert.equal(environment[name], value)
    }
  })

  test('nixos-module.nix makes settings the environment of the service', async () => {
    const { environment, ports, service } = await evaluateModule(`{
      port = 5000;
      openFirewall = true;
      environmentFile = "/run/secrets/nixery.env";
      settings = { NIXERY_PKGS_REPO = "https://git.example.org/packages.git"; NIXERY_LABEL_REVISION = true;
        NIXERY_GC_HOURS = 24; NIXERY_ANY_COMMIT = false; NIXERY_ALLOW = null; };
    }`)
    assert.partialDeepStrictEqual(environment, {
      PORT: '5000',
      NIXERY_PKGS_REPO: 'https://git.example.org/packages.git',
      NIXERY_LABEL_REVISION: 'on',
      NIXERY_ANY_COMMIT: 'off',
      NIXERY_GC_HOURS: '24',
    })
    assert.ok(!('NIXERY_ALLOW' in environment) && !('NIXERY_CHANNEL' in environment))
    assert.deepEqual(ports, [5000])
    assert.deepEqual(service['EnvironmentFile'], ['/run/secrets/nixery.env'])
  })

  test('nixos-module.nix serves nixpkgs unless it is told otherwise, and to this machine alone', async () => {
    const { environment, ports } = await evaluateModule('{ }')
    assert.equal(environment['NIXERY_CHANNEL'], 'nixos-unstable')
    assert.deepEqual(ports, [])
  })

  test('nixos-module.nix changes nothing of a machine where it is not enabled', async () => {
    assert.deepEqual(await evaluate(moduleExpression('{ enable = false; }')), {})
  })
})

const nixFiles = ['image.nix', 'nixos-module.nix', 'package.nix'].map((name) => `deploy/${name}`)

const stubFlake = `{
  outputs = _: rec {
    lib = legacyPackages.x86_64-linux.lib;
    legacyPackages = { x86_64-linux = import ./stub.nix; aarch64-linux = import ./stub.nix; };
  };
}`

type Evaluated = {
  readonly service: Readonly<Record<string, unknown>>
  readonly environment: Readonly<Record<string, string>>
  readonly ports: readonly number[]
}

/** The configuration that the module makes of options: their defaults, and what is set over them. */
function moduleExpression(settings: string): string {
  return `let
    pkgs = import ${stub};
    call = config: import ${projectRoot}/deploy/nixos-module.nix { inherit config pkgs; inherit (pkgs) lib; };
    defaults = builtins.mapAttrs (_: option: option.default) (call { }).options.services.nixery;
  in (call { services.nixery = defaults // ${settings}; }).config`
}

async function evaluateModule(settings: string): Promise<Evaluated> {
  const config = moduleExpression(`({ enable = true; } // ${settings})`)
  return (await evaluate(`let config = ${config}; unit = config.systemd.services.nixery; in {
    service = unit.serviceConfig;
    inherit (unit) environment;
    ports = config.networking.firewall.allowedTCPPorts;
  }`)) as Evaluated
}

/** As NixOS writes it into a unit. */
function formatDirective(name: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.join(name === 'RestrictAddressFamilies' ? ' ' : '\n')
  return String(value)
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(join(projectRoot, path), 'utf8')) as T
}
