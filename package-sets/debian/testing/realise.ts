/** For tests: builds packages of a set with the classic Nix commands, in restricted mode. */
import { spawn, spawnSync } from 'node:child_process'
import { text } from 'node:stream/consumers'

import type { PackageSet } from '#engine/ports/package-source.ts'

const environment = {
  ...process.env,
  NIX_CONFIG: [
    // Debian's nix-bin alone has no nixbld group; root builds without it.
    'build-users-group =',
    'restrict-eval = true',
    'substituters =',
    'max-jobs = 4',
    'keep-going = true',
  ].join('\n'),
}

export function isNixThere(): boolean {
  return spawnSync('nix-store', ['--version']).status === 0
}

/** The derivations of attribute paths, in their order. */
export function instantiate(
  source: PackageSet,
  attributePaths: readonly (readonly string[])[],
  system = 'x86_64-linux',
): readonly string[] {
  const selected = attributePaths
    .map((path) => `set.${path.map((name) => JSON.stringify(name)).join('.')}`)
    .map((each) => `(${each})`)
  const expression = `let set = import ${source.entry} { system = "${system}"; }; in [ ${selected.join(' ')} ]`
  const included = source.readablePaths.flatMap((path) => ['-I', path])
  return lines('nix-instantiate', [...included, '-E', expression])
}

/** Store paths of derivations, in their order. */
export function realise(derivations: readonly string[]): readonly string[] {
  return lines('nix-store', ['--realise', ...derivations])
}

/** What Nix says of a derivation that cannot be realised; asynchronous, so that a server here can answer it. */
export async function realiseFailure(derivation: string): Promise<string> {
  const child = spawn('nix-store', ['--realise', derivation], { env: environment })
  const [complaint] = await Promise.all([text(child.stderr), text(child.stdout)])
  return complaint
}

/** What Nix prints when the command succeeds; an error with the end of its log otherwise. */
function lines(program: string, parameters: readonly string[]): readonly string[] {
  const end = spawnSync(program, [...parameters], {
    env: environment,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (end.status !== 0) throw new Error(`${program} failed:\n${end.stderr.slice(-4000)}`)
  return end.stdout.split('\n').filter((line) => line !== '')
}
