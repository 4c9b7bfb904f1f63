import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { clientEnvironment, endWithParent } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { startChannelSite, type ChannelPackages } from './channel-site.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const node = join(projectRoot, 'node_modules', '.bin', 'node')

interface End {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `nixery popularity` in a process of its own. */
function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return run([node, join(projectRoot, 'src/main.ts'), 'popularity', ...args], environment)
}

function run(words: readonly string[], environment: Readonly<Record<string, string>>) {
  const [command = '', ...args] = words
  const child = spawn('setpriv', endWithParent('SIGKILL', command, args), {
    env: clientEnvironment(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed = Promise.all([text(child.stdout), text(child.stderr)])
  const ended = new Promise<End>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => {
      void printed.then(([stdout, stderr]) => resolve({ exitCode, stdout, stderr }))
    })
  })
  return { ended, kill: (signal: NodeJS.Signals) => child.kill(signal) }
}

const concurrency = 32

/** So many packages that all refer to one. */
function manyPackages(size: number): ChannelPackages {
  const users = Array.from({ length: size }, (_, index) => [`user-${index}`, ['base-1']] as const)
  return Object.fromEntries([['base-1', []], ...users])
}

suite('nixery popularity', { skip: skipUnless(['xz', 'setpriv']) }, () => {
  test('goes on where it was killed, and where it was interrupted', async () => {
    await using site = await startChannelSite(manyPackages(6_000))
    await using scratch = await makeScratchDirectory()
    const out = join(scratch.path, 'popularity.json')
    const args = ['--channel', site.channel, '--cache', site.cache, '--out', out]

    /** Runs until so many narinfos were asked for, then does not get any more answers. */
    async function runUntil(most: number, signal: NodeJS.Signals): Promise<End> {
      const command = start(args)
      let asked = 0
      site.listener = (path, _response, answer) => {
        if (path.endsWith('.narinfo')) asked += 1
        if (asked <= most) return answer()
        // Each asks for its next narinfo when it has done with the one before.
        if (asked === most + concurrency) command.kill(signal)
      }
      return command.ended
    }

    const killed = await runUntil(2_500, 'SIGKILL')
    assert.equal(killed.exitCode, null)
    assert.equal(existsSync(out), false)
    const [name = ''] = await readdir(scratch.path)
    const kept = await readFile(join(scratch.path, name), 'utf8')
    const recalled = kept.split('\n').filter((line) => line.endsWith(']]')).length
    assert.ok(recalled > 1_000, `${recalled} of 2500 were written before the kill`)

    site.requests.length = 0
    const interrupted = await runUntil(1_000, 'SIGINT')
    assert.equal(interrupted.exitCode, 1)
    assert.match(interrupted.stderr, /nixery: interrupted; the same command goes on from there\n$/)
    assert.equal(existsSync(out), false)

    site.requests.length = 0
    site.listener = (_path, _response, answer) => answer()
    const finished = await start(args).ended
    assert.equal(finished.exitCode, 0, finished.stderr)
    // An interruption loses nothing that was answered; a kill loses what was not yet written.
    assert.equal(site.requests.length - 1, 6_001 - recalled - 1_000)
    assert.equal(await readFile(out, 'utf8'), '{\n"base-1": 6000\n}\n')
    assert.equal(finished.stdout, `${out}: 1 names out of 6001 store paths\n`)
    // A slow machine tells of its progress before.
    assert.match(finished.stderr, /^(?:\d+\/6001 .*\n)*6001\/6001 \(100 %\), \d+\/s\n$/)
    assert.deepEqual(await readdir(scratch.path), ['popularity.json'])
  })

  test('draws a bar on a terminal', { skip: skipUnless(['script']) }, async () => {
    await using site = await startChannelSite(manyPackages(10))
    await using scratch = await makeScratchDirectory()
    const out = join(scratch.path, 'popularity.json')
    const words = [node, join(projectRoot, 'src/main.ts'), 'popularity', '--channel', site.channel]
    const command = [...words, '--cache', site.cache, '--out', out].join(' ')
    const { stdout } = await run(['script', '-qec', command, '/dev/null'], {}).ended
    const drawn = stdout.split('\r').filter((line) => line.includes('/11 '))
    assert.ok(drawn.length > 1, stdout)
    assert.match(drawn.at(-1)!, /^\[#{40}\] 11\/11 \(100 %\)/)
  })

  test('reaches channel and cache by way of a proxy', async () => {
    await using site = await startChannelSite(manyPackages(10))
    await using scratch = await makeScratchDirectory()
    const out = join(scratch.path, 'popularity.json')
    const origin = new URL(site.channel).origin
    const elsewhere = (address: string) => address.replace(origin, 'http://channels.invalid')
    const args = ['--channel', elsewhere(site.channel), '--cache', elsewhere(site.cache)]
    const through = await start([...args, '--out', out], { http_proxy: origin }).ended
    assert.equal(through.exitCode, 0, through.stderr)
    assert.equal(await readFile(out, 'utf8'), '{\n"base-1": 10\n}\n')
  })

  test('says in one line what is wrong', async () => {
    await using site = await startChannelSite(manyPackages(1))
    await using scratch = await makeScratchDirectory()
    const out = join(scratch.path, 'popularity.json')
    const help = await start(['--help']).ended
    assert.deepEqual([help.exitCode, help.stderr], [0, ''])
    assert.match(help.stdout, /^usage: nixery popularity --channel/)
    const wrong = await start(['--channel', site.channel]).ended
    assert.equal(wrong.exitCode, 2)
    assert.match(wrong.stderr, /^nixery: --out must say which file to write\n\nusage: /)
    const absent = await start(['--channel', `${site.channel}-1`, '--out', out]).ended
    assert.equal(absent.exitCode, 1)
    assert.match(absent.stderr, /^nixery: http:\S+-1\/store-paths\.xz answers 404\n$/)
    const directory = await start(['--channel', site.channel, '--out', scratch.path]).ended
    assert.equal(directory.exitCode, 1)
    assert.match(directory.stderr, /is a directory, and must be a file\n$/)
    assert.equal(site.requests.length, 1, 'before anything is read')
    const nowhere = await start(['--packages', join(scratch.path, 'none'), '--out', out]).ended
    assert.equal(nowhere.exitCode, 1)
    assert.match(nowhere.stderr, /^nixery: --packages \S+none must be a .*: ENOENT.*\n$/)
    const lost = join(scratch.path, 'none', 'p.json')
    const unwritable = await start(['--channel', site.channel, '--out', lost]).ended
    assert.equal(unwritable.exitCode, 1)
    assert.match(unwritable.stderr, /^nixery: --out \S+ must lie in a directory .*none is none\n$/)
    assert.deepEqual(await readdir(scratch.path), [])
  })
})

const nixCommands = ['nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb', 'setpriv']

suite('nixery popularity --packages', { skip: skipUnless(nixCommands) }, () => {
  const set = `{ system }:
    let awkward = import ./awkward { inherit system; };
    in {
      inherit (awkward) tool remote is-a-link odd-name many-outputs unfree a-function;
      Fails = derivation {
        name = "fails-1"; inherit system; builder = "/does/not/exist";
      };
    }`

  test('counts the closures of what can be had, and lists the rest', async () => {
    await using scratch = await makeScratchDirectory()
    const directory = join(scratch.path, 'set')
    await mkdir(join(directory, 'awkward'), { recursive: true })
    await prepareAwkwardSet(join(directory, 'awkward'))
    await writeFile(join(directory, 'default.nix'), set)
    const out = join(scratch.path, 'popularity.json')
    const environment = { NIXERY_STATE_DIRECTORY: join(scratch.path, 'state') }
    const count = (...names: readonly string[]) =>
      start(['--packages', directory, ...names, '--out', out], environment).ended

    const all = await count()
    assert.equal(all.exitCode, 0, all.stderr)
    // Of tool, remote and the link; the outputs and the package that need themselves count nowhere.
    assert.equal(await readFile(out, 'utf8'), '{\n"greeting-1.0": 3\n}\n')
    assert.match(all.stdout, /: 1 names out of 8 store paths of 5 packages\n$/)
    const skipped = all.stderr.split('\n').filter((line) => line.startsWith('skipped'))
    assert.equal(skipped.length, 2, all.stderr)
    assert.match(skipped[0]!, /^skipped: unfree has an unfree licence.*unfree/)
    assert.match(skipped[1]!, /^skipped: Fails: fails-1 failed to build: /)
    assert.match(all.stderr, /^not counted, because they are no packages .*: a-function$/m)

    const some = await count('tool', 'remote', 'a-function', 'remtoe')
    assert.equal(some.exitCode, 0, some.stderr)
    assert.equal(await readFile(out, 'utf8'), '{\n"greeting-1.0": 2\n}\n')
    assert.match(some.stderr, /skipped: a-function is not a package but a function\n/)
    assert.match(some.stderr, /skipped: no package is called remtoe; did you mean remote\?\n/)
    assert.doesNotMatch(some.stderr, /not counted/)
    const lone = await count('many-outputs')
    assert.equal(lone.exitCode, 0, lone.stderr)
    assert.match(lone.stdout, /: 0 names .*\nno store path is needed by two others, so .*\n$/)
    assert.equal((await count('tool', 'remote')).exitCode, 0)

    const none = await count('unfree')
    assert.equal(none.exitCode, 1)
    assert.match(none.stderr, /nixery: no package of \S+ could be had\n$/)
    assert.equal(await readFile(out, 'utf8'), '{\n"greeting-1.0": 2\n}\n', 'the file stays')
    await writeFile(join(directory, 'default.nix'), 'throw "this set is closed"')
    const closed = await count()
    assert.match(closed.stderr, /^nixery: \S+ is no package set: this set is closed\n$/)
  })
  test('lets a set download what the configuration allows', async () => {
    await using scratch = await makeScratchDirectory()
    const directory = join(scratch.path, 'set')
    await mkdir(directory)
    await prepareAwkwardSet(directory)
    await rename(join(directory, 'default.nix'), join(directory, 'awkward.nix'))
    await using site = await startChannelSite(manyPackages(1))
    const fetching = `{ system }:
      assert builtins.pathExists (builtins.fetchurl "${site.channel}/store-paths.xz");
      { inherit (import ./awkward.nix { inherit system; }) remote; }`
    await writeFile(join(directory, 'default.nix'), fetching)
    const count = (environment: Readonly<Record<string, string>>) =>
      start(['--packages', directory, '--out', join(scratch.path, 'out.json')], {
        NIXERY_STATE_DIRECTORY: join(scratch.path, 'state'),
        ...environment,
      }).ended
    const refused = await count({})
    assert.match(refused.stderr, /forbidden in restricted mode/)
    const allowed = await count({ NIXERY_ALLOWED_URIS: `${site.channel}/` })
    assert.equal(allowed.exitCode, 0, allowed.stderr)
  })
})
