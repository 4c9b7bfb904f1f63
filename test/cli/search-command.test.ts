import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { runNixery } from './run-nixery.ts'

suite('nixery search', { skip: skipUnless(['nix-instantiate', 'setpriv']) }, () => {
  test('lists packages at its first use, and searches what is listed then', async () => {
    await using directory = await makeScratchDirectory()
    const set = join(directory.path, 'set')
    await mkdir(set)
    const write = (names: readonly string[]) =>
      writeFile(
        join(set, 'default.nix'),
        `{ system }:
        let package = name: derivation { inherit name system; builder = "b"; }; in
        {
          fetch = package "fetch-1.0" // { meta.description = "gets things"; };
          python3Packages = {
            recurseForDerivations = true;
            ${names.map((name) => `${name} = package "${name}-2.0";`).join('\n')}
          };
        }`,
      )
    await write(['numpy'])
    const environment = {
      NIXERY_STATE_DIRECTORY: join(directory.path, 'state'),
      NIXERY_PKGS_PATH: set,
    }
    const check = async (line: string, stdout: string, stderr: RegExp, code = 0) => {
      const answer = await runNixery(['search', ...line.split(' ')], environment)
      assert.deepEqual([answer.stdout, answer.exitCode], [stdout, code], answer.stderr)
      assert.match(answer.stderr, stderr, line)
    }
    const numpy = 'python3packages.numpy  2.0\n'
    await check('fetch', 'fetch  1.0  gets things\n', /^nixery: listing the packages of [^\n]*\n$/)
    for (const words of ['python3Packages.NumPy', 'python3 numpy', 'numpy'])
      await check(words, numpy, /^$/)
    await check('nunpy', '', /; did you mean python3packages\.numpy\?\n$/, 3)
    await check('fecth', '', /; did you mean fetch\?\n$/, 3)
    await write(['numpy', 'numba'])
    await check('numba', '', /no package matches/, 3)
    await check('numba --refresh', 'python3packages.numba  2.0\n', /^nixery: listing/)
    await rm(set, { recursive: true })
    await check('numpy', numpy, /^$/)
    const { exitCode, stderr } = await runNixery(['search', 'numpy', '--refresh'], environment)
    assert.equal(exitCode, 1)
    assert.match(stderr, /NIXERY_PKGS_PATH=/)
  })
})
