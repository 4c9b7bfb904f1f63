import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'

import { findProgram } from '#adapters/process/find-program.ts'
import { parseStorePath, storePathName, type StorePath } from '#core/nix/store-path.ts'
import { eventually } from '#test/anomaly/eventually.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareNewerNix } from '#test/clients/newer-nix.ts'
import { preparePrivateStores, type PrivateStore } from '#test/clients/private-store.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { readClosure, readClosureNodes } from './closure.ts'
import { invalidPaths } from './invalid-paths.ts'
import { openNix, type Nix } from './nix.ts'
import { StoreQuestions } from './store-questions.ts'
import { StoreSession } from './store-session.ts'

const { signal } = new AbortController()
const absent = parseStorePath(`/nix/store/${'0'.repeat(32)}-absent`)!
const newer = await prepareNewerNix()
const machineNix = await findProgram('nix-store', process.env['PATH'] ?? '')
const skip = skipUnless(['nix-store', 'nix-daemon'], { root: true })

/** Everything that the machine's store has, or some of it: real closures, with cycles to themselves. */
async function readSomePaths(nix: Nix): Promise<readonly StorePath[]> {
  const call = { command: 'nix-store', timeoutMs: 60_000, stdoutLimitBytes: 2 ** 28 } as const
  const text = await nix.query({ ...call, args: ['--dump-db'] }, signal)
  const paths = new Set(text.split('\n').map(parseStorePath))
  return [...paths].filter((path) => path !== undefined).slice(0, 100)
}

let knownPaths: Promise<readonly StorePath[]> | undefined
function somePaths(nix: Nix): Promise<readonly StorePath[]> {
  return (knownPaths ??= readSomePaths(nix))
}

const versions: readonly (readonly [name: string, directory: string, skip: string | false])[] = [
  ["the machine's Nix", dirname(machineNix ?? '/'), skip],
  'skip' in newer
    ? ['a newer Nix', '', newer.skip]
    : [`Nix ${newer.version}`, newer.binDirectory, skip],
]

for (const [name, binDirectory, skipped] of versions) {
  suite(`StoreSession with ${name}`, { skip: skipped }, () => {
    let stores: Awaited<ReturnType<typeof preparePrivateStores>>
    before(async () => {
      stores = await preparePrivateStores()
    })
    after(() => stores[Symbol.asyncDispose]())

    async function openIn(store: PrivateStore) {
      const { settings } = store
      return openNix({ binDirectory, settings, inheritedEnvironment: process.env })
    }

    test('closure() says what the commands say', async () => {
      const nix = await openNix({ binDirectory, inheritedEnvironment: process.env })
      const session = new StoreSession(nix)
      const roots = await somePaths(nix)
      assert.ok(roots.length > 0, 'the store has something')
      assert.deepEqual(await session.closure(roots), await readClosureNodes(nix, roots, signal))
      assert.equal(await session.closure([...roots, absent]), undefined)
      await session.end()
    })

    test('remembers nothing of what others change', async () => {
      await using store = await stores.open()
      const session = new StoreSession(await openIn(store))
      const { greeting } = store.packages
      const path = greeting.outputs[0]!.path
      for (let round = 0; round < 2; round += 1) {
        assert.deepEqual(await session.validPaths([path, absent]), new Set())
        await store.realise([greeting])
        assert.deepEqual(await session.validPaths([path, absent]), new Set([path]))
        assert.equal((await session.closure([path]))?.length, 1)
        await store.run('nix-store', ['--delete', path])
      }
      assert.equal(await session.closure([path]), undefined)
      await session.end()
    })

    test('addIndirectRoots() holds while a link is there, holdValidPaths() until the end', async () => {
      await using store = await stores.open()
      const { greeting, tool } = store.packages
      const paths = [greeting, tool].flatMap(({ outputs }) => outputs.map(({ path }) => path))
      const [greetingPath, toolPath] = paths as [StorePath, StorePath]
      await store.realise([greeting, tool])
      const nix = await openIn(store)
      const linking = new StoreSession(nix)
      const link = join(
        stores.directory,
        `link-of-${basename(binDirectory)}-${nix.installation.version}`,
      )
      await symlink(toolPath, link)
      assert.deepEqual(await linking.holdValidPaths([toolPath]), new Set([toolPath]))
      await linking.addIndirectRoots([link])
      await linking.end()
      const holding = new StoreSession(nix)
      await store.run('nix-store', ['--gc'])
      assert.deepEqual(await holding.validPaths(paths), new Set(paths), 'it refers to the greeting')

      await rm(link)
      const held = await holding.holdValidPaths([greetingPath, absent])
      assert.deepEqual(held, new Set([greetingPath]))
      await store.run('nix-store', ['--gc'])
      assert.deepEqual(await holding.validPaths(paths), new Set([greetingPath]))
      await holding.end()
      await store.run('nix-store', ['--gc'])
      const last = new StoreSession(nix)
      assert.deepEqual(await last.validPaths(paths), new Set())
      await last.end()
    })

    test('outputsOf() names what a derivation makes', async () => {
      await using store = await stores.open()
      const session = new StoreSession(await openIn(store))
      const { greeting, tool } = store.packages
      const made = await session.outputsOf([greeting.derivation, tool.derivation])
      const names = [...made.values()].map((paths) => [...paths].map(storePathName))
      assert.deepEqual(names, [['greeting-1.0'], ['tool-1.0']])
      await session.end()
    })

    test('asks through a daemon too', async () => {
      const socket = join(stores.directory, `socket-${basename(binDirectory)}`)
      const daemon = spawn(join(binDirectory, 'nix-daemon'), {
        env: {
          ...process.env,
          NIX_DAEMON_SOCKET_PATH: socket,
          NIX_CONFIG: 'build-users-group =',
        },
        stdio: 'ignore',
      })
      try {
        await eventually('the daemon', () => (existsSync(socket) ? true : undefined))
        const NIX_REMOTE = `unix://${socket}`
        const inheritedEnvironment = { ...process.env, NIX_REMOTE }
        const nix = await openNix({ binDirectory, inheritedEnvironment })
        const session = new StoreSession(nix)
        const [path] = await somePaths(nix)
        assert.deepEqual(await session.holdValidPaths([path!, absent]), new Set([path]))
        assert.deepEqual(
          await session.closure([path!]),
          await readClosureNodes(nix, [path!], signal),
        )
        await session.end()
      } finally {
        daemon.kill()
        await once(daemon, 'exit')
      }
    })

    test('ends with an error, and everything that was asked of it', async () => {
      const session = new StoreSession(await openNix({ binDirectory, inheritedEnvironment: {} }))
      const outside = session.validPaths(['/etc/passwd' as StorePath])
      const later = session.validPaths([absent])
      await assert.rejects(outside, { code: 'NIX_FAILED' })
      await assert.rejects(later, { code: 'NIX_FAILED' })
      assert.equal(session.hasEnded, true)
    })
  })
}

suite('StoreQuestions', { skip }, () => {
  async function open(binDirectory?: string) {
    const nix = await openNix({
      ...(binDirectory !== undefined && { binDirectory }),
      inheritedEnvironment: process.env,
    })
    const clock = createManualClock()
    return { nix, clock, store: new StoreQuestions(nix, clock) }
  }

  /** A Nix without the program, or with one that does something else. */
  async function directoryWith(program?: string) {
    const scratch = await makeScratchDirectory()
    await symlink(machineNix!, join(scratch.path, 'nix-store'))
    if (program !== undefined) {
      await writeFile(join(scratch.path, 'nix-daemon'), program, { mode: 0o755 })
    }
    return scratch
  }

  test('asks one session, and another one when that was idle, full or ended', async () => {
    const { store, clock } = await open()
    const sessions = new Set<StoreSession>()
    const ask = () =>
      store.ask(async (session) => {
        sessions.add(session)
        return session.validPaths([absent])
      }, signal)
    assert.deepEqual(await ask(), new Set())
    assert.deepEqual(await ask(), new Set())
    assert.equal(sessions.size, 1)
    clock.advance(30_000)
    await ask()
    assert.equal(sessions.size, 2)
    for (const session of sessions) await session.end()
    assert.deepEqual(await ask(), new Set(), 'a session that ended while it was idle is no failure')
    assert.equal(sessions.size, 3)
    await store.ask((session) => session.holdValidPaths(Array(2_000).fill(absent)), signal)
    await ask()
    assert.equal(sessions.size, 4)
    await store.close()
    assert.ok([...sessions].every((session) => session.hasEnded))
    assert.equal(await ask(), undefined, 'nothing is asked after the end')
  })

  for (const [what, program] of [
    ['without nix-daemon', undefined],
    ['whose nix-daemon ends', '#!/bin/sh\nexit 1\n'],
    ['whose nix-daemon says something else', '#!/bin/sh\nexec yes\n'],
    ['whose nix-daemon breaks off', "#!/bin/sh\nprintf 'oixd'\n"],
  ] as const) {
    test(`lets commands answer for a Nix ${what}`, async () => {
      await using directory = await directoryWith(program)
      const { store, nix } = await open(directory.path)
      assert.deepEqual(await invalidPaths(nix, store, [absent], signal), new Set([absent]))
      assert.equal(await store.ask(() => assert.fail('it is not tried again'), signal), undefined)
      await assert.rejects(readClosure(nix, store, [absent], signal), { code: 'NIX_FAILED' })
      await store.close()
    })
  }

  test('gives up a session that does not answer', async () => {
    await using directory = await directoryWith('#!/bin/sh\nexec sleep 1000\n')
    const { store, clock } = await open(directory.path)
    const asked = store.ask((session) => session.validPaths([absent]), signal)
    clock.advance(30_000)
    assert.equal(await asked, undefined)
    await store.close()
  })

  test('rejects with the reason of whoever leaves, and answers the others', async () => {
    const { store } = await open()
    const controller = new AbortController()
    const left = store.ask((session) => session.validPaths([absent]), controller.signal)
    const others = store.ask((session) => session.validPaths([absent]), signal)
    const reason = new Error('nobody waits any more')
    controller.abort(reason)
    await assert.rejects(left, reason)
    assert.deepEqual(await others, new Set())
    await store.close()
  })
})
