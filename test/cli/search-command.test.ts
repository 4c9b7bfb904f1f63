import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { asMereOwner } from '#test/anomaly/as-mere-owner.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { nixeryCommand, runNixery } from './run-nixery.ts'

suite('nixery search', { skip: skipUnless(['nix-instantiate', 'setpriv', 'git']) }, () => {
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

  test('says once what keeps it from listing', async () => {
    await using directory = await makeScratchDirectory()
    const state = join(directory.path, 'state')
    const listing = 'nixery: listing the packages of the source, which may take some minutes …'
    const check = async (environment: NodeJS.ProcessEnv, ...reasons: readonly RegExp[]) => {
      const settings = { NIXERY_STATE_DIRECTORY: state, ...environment }
      const { stdout, stderr, exitCode } = await runNixery(['search', 'git'], settings)
      assert.deepEqual([stdout, exitCode], ['', 1], stderr)
      const [first, ...lines] = stderr.trimEnd().split('\n')
      assert.equal(first, listing)
      assert.equal(lines.length, reasons.length, stderr)
      for (const [index, reason] of reasons.entries()) assert.match(lines[index]!, reason)
    }
    await check(
      { NIXERY_STATE_DIRECTORY: '/proc/nope' },
      /^nixery: NIXERY_STATE_DIRECTORY=\/proc\/nope cannot be used: /,
    )
    await check(
      { NIXERY_PKGS_REPO: 'file:///nonexistent' },
      /^nixery: warn: NIXERY_PKGS_REPO=file:\/\/\/nonexistent cannot be reached: /,
      /^nixery: SOURCE_UNAVAILABLE: the git repository file:\/\/\/nonexistent cannot be read: /,
    )
    await writeFile(join(directory.path, 'default.nix'), '{ a = ')
    await check(
      { NIXERY_PKGS_PATH: directory.path },
      /^nixery: the package set is no package set: /,
    )
  })

  test('names the setting when another user has listed the packages', async () => {
    await using directory = await makeScratchDirectory()
    const listed = join(directory.path, 'package-search')
    await mkdir(listed, { mode: 0o000 })
    const environment = { NIXERY_STATE_DIRECTORY: directory.path }
    const search = (...args: readonly string[]) => {
      const [setpriv = '', ...command] = [...asMereOwner, ...nixeryCommand, 'search', ...args]
      return runCommand(setpriv, command, { env: environment })
    }
    const { stderr, exitCode } = await search('git')
    assert.equal(exitCode, 1)
    assert.match(
      stderr,
      /^nixery: NIXERY_STATE_DIRECTORY=[^ ]+ has packages that another user has listed: [^\n]*EACCES[^\n]*\n$/,
    )
    assert.deepEqual(await search('--complete', '--', 'gi'), {
      stdout: '',
      stderr: '',
      exitCode: 0,
    })
  })
})
