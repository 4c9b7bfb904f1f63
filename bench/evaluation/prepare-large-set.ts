import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { PackageSet } from '#engine/ports/package-source.ts'

/** As many as nixpkgs has at its top level. */
const packages = 80_000
const packagesPerFile = 100

/** The names that are asked for, far from each other. */
export function nameOf(question: number): string {
  return `package-${(question * 7_919 + 79_999) % packages}`
}

/**
 * A package set of 80,000 attributes in the manner of nixpkgs: one file names all of them, each calls
 * a function in a file of its own kind with what this asks for, out of the set itself. A package
 * depends on two of lower numbers, so that some dozen come along. The same bytes every time.
 */
export async function prepareLargeSet(directory: string): Promise<PackageSet> {
  await mkdir(join(directory, 'packages'), { recursive: true })
  const numbers = Array.from({ length: packages }, (_, number) => number)
  const lines = numbers.map((number) => {
    const file = Math.floor(number / packagesPerFile)
    const [one, other] = [2, 3].map((part) => `package-${Math.floor(number / part)}`)
    const dependencies = number < 3 ? '' : `one = ${one}; other = ${other};`
    return `  package-${number} = callPackage ./packages/${file}.nix { name = "package-${number}"; ${dependencies} };`
  })
  await writeFile(
    join(directory, 'all-packages.nix'),
    `{ callPackage }: self: with self; {\n${lines.join('\n')}\n}\n`,
  )
  for (let file = 0; file < packages / packagesPerFile; file += 1) {
    await writeFile(join(directory, 'packages', `${file}.nix`), packageFile(file))
  }
  await writeFile(join(directory, 'default.nix'), setFile)
  return { identity: 'large', fixed: true, entry: directory, readablePaths: [directory] }
}

const setFile = `{ system, ... }:
let
  makeDerivation = arguments: derivation ({ inherit system; builder = "/bin/sh"; } // arguments)
    // { meta = arguments.passthruMeta or { }; };
  callPackage = path: arguments:
    let function = import path;
    in function (builtins.intersectAttrs (builtins.functionArgs function) self // arguments);
  self = { inherit makeDerivation; } // import ./all-packages.nix { inherit callPackage; } self;
in
self
`

const packageFile = (file: number) => `{ makeDerivation, name, one ? null, other ? null }:
makeDerivation {
  inherit name;
  version = "1.${file}";
  dependencies = builtins.filter (it: it != null) [ one other ];
  args = [ "-c" "echo $dependencies > $out" ];
}
`
