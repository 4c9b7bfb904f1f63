import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'

import { findProgram } from '#adapters/process/find-program.ts'
import type { PackageOutcome } from '#core/nix/package-outcome.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { createNixPackageBuilder } from './nix-package-builder.ts'

const run = promisify(execFile)
const isThere = await findProgram('nix-instantiate', process.env['PATH'] ?? '')
const skip = isThere === undefined && 'there is no nix-instantiate on this machine'

describe('allowedUris', { skip }, () => {
  let directory: string
  let server: Server
  let address: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nixery-uris-'))
    const pinned = join(directory, 'pinned')
    await mkdir(pinned)
    // Its own content, because Nix asks nobody for what the store has.
    await writeFile(
      join(pinned, 'default.nix'),
      `{ name = "${pinned.replaceAll('/', '-').slice(1)}"; }`,
    )
    const archive = join(directory, 'pinned.tar.gz')
    await run('tar', ['-czf', archive, '-C', directory, 'pinned'])
    const { stdout } = await run('nix-hash', ['--type', 'sha256', '--base32', pinned])
    const bytes = await readFile(archive)
    server = createServer((_request, response) => response.end(bytes))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const bound = server.address()
    assert.ok(typeof bound === 'object' && bound)
    address = `http://127.0.0.1:${bound.port}`
    await mkdir(join(directory, 'set'))
    await writeFile(
      join(directory, 'set/default.nix'),
      `{ system }:
       let pinned = import (builtins.fetchTarball { url = "${address}/a/pinned.tar.gz"; sha256 = "${stdout.trim()}"; });
       in { tool = derivation { inherit (pinned) name; inherit system; builder = "/none"; }; }`,
    )
  })

  after(async () => {
    server.closeAllConnections()
    server.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function evaluate(allowedUris: readonly string[]): Promise<PackageOutcome> {
    const nix = await createNixPackageBuilder({
      leaseDirectory: join(directory, 'leases'),
      inheritedEnvironment: { ...process.env, HOME: directory },
    })
    try {
      const entry = join(directory, 'set')
      const set = { identity: 'a', fixed: true, entry, readablePaths: [entry] }
      const [outcome] = await nix.evaluate(
        {
          set,
          policy: { ...strictPolicy, allowedUris },
          system: 'x86_64-linux',
          packages: ['tool'],
          optionalPackages: [],
        },
        AbortSignal.timeout(60_000),
      )
      assert.ok(outcome)
      return outcome
    } finally {
      await nix.close()
    }
  }

  test('are all that a set may download from', async () => {
    for (const uris of [[], ['http://127.0.0.1:1/'], [`${address}/b/`]]) {
      const outcome = await evaluate(uris)
      assert.ok(outcome.kind === 'evaluation-error', JSON.stringify(outcome))
      assert.match(outcome.message, /access to URI '.*' is forbidden in restricted mode/)
    }
    assert.equal((await evaluate(['https://example.org/', `${address}/a/`])).kind, 'found')
  })
})
