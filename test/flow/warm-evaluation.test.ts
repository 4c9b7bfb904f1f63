import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { openNix } from '#adapters/nix/nix.ts'
import { PackageSetQuery } from '#adapters/nix/package-set-query.ts'
import { WarmEvaluators } from '#adapters/nix/warm-evaluators.ts'
import type { System } from '#core/nix/system.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { newestDebianPackageSet } from '#package-sets/debian/debian-package-set.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'

const system: System = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'
const { signal } = new AbortController()
const limits = { evaluationTimeoutMs: 120_000, evaluationMemoryMiB: 4096 }
const skip = skipUnless(['nix', 'nix-instantiate', 'apt-get', 'dpkg-deb'])

suite('a warm evaluator of the bundled set', { skip }, () => {
  test('says of aliases what a process of its own says', async () => {
    await using scratch = await makeScratchDirectory()
    // Others may stand beside it, older ones or one that is being made.
    const newest = await newestDebianPackageSet(await prepareStateDirectory())
    assert.ok(newest)
    const { set } = newest
    const { packages: aliases } = JSON.parse(
      await readFile(join(dirname(set.entry), 'aliases.json'), 'utf8'),
    ) as { readonly packages: object }
    // Some of them, to save time; they come in order of their names.
    const some = Object.keys(aliases).filter((_, index) => index % 4 === 0)
    const names = [...some, 'python3packages.requests', 'gplusplus', 'no-such-name']
    const nix = await openNix({ inheritedEnvironment: process.env })
    const warm = new WarmEvaluators(nix, scratch.path)
    try {
      const view = { set, policy: strictPolicy, system }
      const ask = (packages: readonly string[], by?: WarmEvaluators) =>
        new PackageSetQuery(nix, limits, view, signal, by).lookUp(packages, { catch: true })
      const expected = await ask(names)
      assert.ok(expected.kind === 'results', JSON.stringify(expected))
      assert.ok(expected.results.filter(({ kind }) => kind === 'found').length > 30)
      for (const [index, name] of names.entries()) {
        const answer = await ask([name], warm)
        assert.deepEqual(answer, { kind: 'results', results: [expected.results[index]] }, name)
      }
    } finally {
      await warm.close()
    }
  })
})
