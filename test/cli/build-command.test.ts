/* oxlint-disable no-control-regex -- they are what a terminal obeys */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { dockerdCommands, startDockerd } from '#test/clients/dockerd.ts'
import { skopeo, umoci } from '#test/clients/image-tools.ts'
import { findFreePort } from '#test/clients/free-port.ts'
import { prepareStateDirectory, startNixery as startServer } from '#test/clients/nixery-server.ts'
import type { NixeryServer } from '#test/clients/nixery-server.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory, type ScratchDirectory } from '#test/clients/scratch-directory.ts'
import { commitPackageSet } from '#test/anomaly/commit-package-set.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { onlyLogin, startPrivateRegistry, type PrivateRegistry } from './private-registry.ts'
import { finalScreen, nixeryCommand, runNixery, runOnTerminal, startNixery } from './run-nixery.ts'

const bothPlatforms = { NIXERY_PLATFORMS: 'linux/amd64,linux/arm64' }

suite('nixery build', { skip: skipUnless(['nix-store', 'setpriv']) }, () => {
  const resources = new AsyncDisposableStack()
  let scratch: ScratchDirectory
  let settings: NodeJS.ProcessEnv
  let awkward: NodeJS.ProcessEnv

  before(async () => {
    scratch = resources.use(await makeScratchDirectory())
    settings = {
      NIXERY_STATE_DIRECTORY: await prepareStateDirectory(),
      STORAGE_PATH: join(scratch.path, 'storage'),
    }
    const set = join(scratch.path, 'set')
    await mkdir(set)
    await prepareAwkwardSet(set)
    awkward = {
      NIXERY_STATE_DIRECTORY: join(scratch.path, 'awkward-state'),
      NIXERY_PKGS_PATH: set,
    }
  })
  after(() => resources.disposeAsync())

  const place = (name: string) => join(scratch.path, name)

  suite('beside a service', () => {
    let server: NixeryServer
    before(async () => {
      server = resources.use(await startServer(settings))
    })

    const served = async (name: string, accept: string): Promise<string | null> => {
      const response = await fetch(`http://${server.address}/v2/${name}/manifests/latest`, {
        headers: { Accept: accept },
      })
      assert.equal(response.status, 200, await response.text())
      return response.headers.get('docker-content-digest')
    }

    test('gives the digest that the registry serves', async () => {
      const { exitCode, stdout, stderr } = await runNixery(
        ['build', 'shell/git', '--output', `oci:${place('git')}`],
        settings,
      )
      assert.equal(exitCode, 0, stderr)
      assert.equal(
        stdout.trim(),
        await served('shell/git', 'application/vnd.oci.image.manifest.v1+json'),
      )
      const index = JSON.parse(await readFile(join(place('git'), 'index.json'), 'utf8'))
      assert.deepEqual(
        index.manifests.map((each: { digest: string }) => each.digest),
        [stdout.trim()],
      )
    })

    test('gives the index that the registry serves for several platforms', async () => {
      const both = { ...settings, ...bothPlatforms }
      const { exitCode, stdout, stderr } = await runNixery(
        ['build', 'hello', '-q', '-o', `oci:${place('hello')}:v1`],
        both,
      )
      assert.equal(exitCode, 0, stderr)
      await using twoPlatforms = await startServer(both)
      const response = await fetch(`http://${twoPlatforms.address}/v2/hello/manifests/latest`, {
        headers: { Accept: 'application/vnd.oci.image.index.v1+json' },
      })
      assert.equal(stdout.trim(), response.headers.get('docker-content-digest'))
      const one = await runNixery(['build', 'hello', '-q', '-p', 'linux/arm64'], both)
      const listed = (await response.json()) as { manifests: Array<{ digest: string }> }
      assert.equal(one.stdout.trim(), listed.manifests[1]?.digest)
    })

    test('says what the registry says of packages that are not there', async () => {
      const { exitCode, stdout, stderr } = await runNixery(['build', 'shell/gti'], settings)
      assert.deepEqual([exitCode, stdout], [3, ''])
      const response = await fetch(`http://${server.address}/v2/shell/gti/manifests/latest`)
      const { errors } = (await response.json()) as { errors: Array<{ message: string }> }
      const withoutId = (text: string) => text.replace(/build [0-9a-f]{12}/, 'build')
      const [said] = stderr.split('\n').filter((line) => line.startsWith('nixery: '))
      assert.equal(withoutId(said ?? ''), `nixery: ${withoutId(errors[0]?.message ?? '')}`)
    })
  })

  test(
    'writes layouts that skopeo and umoci read, and adds to them',
    { skip: skipUnless(['skopeo', 'umoci']) },
    async () => {
      const layout = place('layout')
      const first = await runNixery(['build', 'greeting', '-q', '-o', `oci:${layout}`], awkward)
      assert.deepEqual([first.exitCode, first.stderr], [0, ''])
      const second = await runNixery(['build', 'tool', '-q', '-o', `oci:${layout}:two`], awkward)
      assert.equal(second.exitCode, 0, second.stderr)
      const inspected = await outputOf(skopeo, ['inspect', `oci:${layout}:latest`])
      assert.equal(JSON.parse(inspected).Digest, first.stdout.trim())
      assert.match(await outputOf(umoci, ['list', '--layout', layout]), /^latest\ntwo\n$/)
      await outputOf(umoci, ['unpack', '--image', `${layout}:two`, place('bundle')])
      assert.ok(existsSync(join(place('bundle'), 'rootfs', 'bin')))
    },
  )

  test(
    'writes archives that docker loads under their name',
    { skip: skipUnless(dockerdCommands, { root: true }) },
    async () => {
      await using docker = await startDockerd()
      const archive = place('greeting.tar')
      const built = await runNixery(
        ['build', 'greeting', '-o', `docker-archive:${archive}`],
        awkward,
      )
      assert.equal(built.exitCode, 0, built.stderr)
      assert.match(
        await outputOf(docker, ['load', '--input', archive]),
        /Loaded image: greeting:latest/,
      )
      const named = `docker-archive:${place('named.tar')}:me/tool:v2`
      const zstd = { ...awkward, NIXERY_COMPRESSION: 'zstd' }
      const second = await runNixery(['build', 'tool', '-o', named], zstd)
      assert.equal(second.exitCode, 0, second.stderr)
      assert.match(
        await outputOf(docker, ['load', '--input', place('named.tar')]),
        /Loaded image: me\/tool:v2/,
      )
      const whole = await outputOf(docker, ['save', 'me/tool:v2', '-o', place('saved.tar')])
      assert.equal(whole, '')
    },
  )

  test('refuses an archive of several platforms, and says what to do', async () => {
    const { exitCode, stderr } = await runNixery(
      ['build', 'hello', '-o', `docker-archive:${place('two.tar')}`],
      { ...settings, ...bothPlatforms },
    )
    assert.equal(exitCode, 2)
    assert.match(stderr, /nixery: a docker-archive holds one platform, .*--platform/)
    assert.doesNotMatch(stderr, /started$/m)
    assert.equal(existsSync(place('two.tar')), false)
  })

  test('refuses a platform that is not the one of the name, and takes one that is', async () => {
    const build = (name: string, platform: string) =>
      runNixery(['build', name, '--platform', platform, '-q'], awkward)
    for (const platform of ['linux/amd64', 'linux/amd64,linux/arm64']) {
      const { exitCode, stdout, stderr } = await build('arm64/greeting', platform)
      assert.deepEqual([exitCode, stdout], [2, ''])
      assert.match(
        stderr,
        /^nixery: arm64\/greeting is for linux\/arm64, and --platform says linux\/amd64/,
      )
    }
    const same = await build('amd64/greeting', 'linux/amd64')
    assert.equal(same.exitCode, 0, same.stderr)
  })

  test('refuses a destination before it builds', async () => {
    const nobody = `docker://127.0.0.1:${await findFreePort()}/x`
    for (const output of [`oci:${scratch.path}`, `docker-archive:${scratch.path}/no/x`, nobody]) {
      const env = { ...awkward, NIXERY_STATE_DIRECTORY: place('never-made') }
      const { exitCode, stderr } = await runNixery(['build', 'hangs', '-o', output], env)
      assert.equal(exitCode, 1, output)
      assert.match(
        stderr,
        /^nixery: \S+ (?:holds something else|cannot be written|cannot be reached)[^\n]+\n$/,
      )
      assert.equal(existsSync(place('never-made')), false)
    }
  })

  test('writes an archive to standard output', async () => {
    const script = '"$0" "$@" | tar -t'
    const args = [...nixeryCommand, 'build', 'greeting', '-q', '--output=docker-archive:-']
    const { stdout, stderr, exitCode } = await runCommand('sh', ['-c', script, ...args], {
      env: awkward,
    })
    assert.equal(exitCode, 0, stderr)
    assert.match(stdout, /^manifest\.json$/m)
    assert.match(stderr, /^sha256:[0-9a-f]{64}$/m)
  })

  suite('to a registry', { skip: skipUnless(['docker-registry', 'skopeo']) }, () => {
    let open: PrivateRegistry
    let closed: PrivateRegistry
    before(async () => {
      open = resources.use(await startPrivateRegistry({ isClosed: false }))
      closed = resources.use(await startPrivateRegistry({ isClosed: true }))
    })

    test('pushes an image, and nothing that is there already', async () => {
      const target = `docker://${open.address}/me/tool:v1`
      const first = await runNixery(['build', 'tool', '-q', '-o', target], awkward)
      assert.equal(first.exitCode, 0, first.stderr)
      const inspected = await outputOf(skopeo, ['inspect', '--tls-verify=false', target])
      assert.equal(JSON.parse(inspected).Digest, first.stdout.trim())
      const again = await runNixery(['build', 'tool', '-q', '-o', target], awkward)
      assert.deepEqual([again.exitCode, again.stdout], [0, first.stdout])
    })

    test('pushes an index after the images in it', async () => {
      const target = `docker://${open.address}/hello`
      const both = { ...settings, ...bothPlatforms }
      const { exitCode, stdout, stderr } = await runNixery(
        ['build', 'hello', '-q', '-o', target],
        both,
      )
      assert.equal(exitCode, 0, stderr)
      const raw = await outputOf(skopeo, ['inspect', '--raw', '--tls-verify=false', target])
      assert.equal(JSON.parse(raw).manifests.length, 2)
      const copied = await skopeo.run([
        'copy',
        '--all',
        '--preserve-digests',
        '--src-tls-verify=false',
        target,
        `oci:${place('pulled')}:x`,
      ])
      assert.equal(copied.exitCode, 0, copied.stderr)
      const index = await readFile(join(place('pulled'), 'index.json'), 'utf8')
      assert.ok(index.includes(stdout.trim()))
    })

    test('logs in as docker login has it, and says when it cannot', async () => {
      const target = `docker://${closed.address}/me/greeting`
      const none = { ...awkward, HOME: place('nobody'), DOCKER_CONFIG: place('no-docker') }
      const refused = await runNixery(['build', 'greeting', '-q', '-o', target], none)
      assert.equal(refused.exitCode, 1)
      assert.match(refused.stderr, /^nixery: \S+ wants a login: docker login/)
      const path = place('auth.json')
      const login = async (text: string) => {
        const auth = Buffer.from(text).toString('base64')
        await writeFile(path, JSON.stringify({ auths: { [closed.address]: { auth } } }))
      }
      await login('me:wrong')
      const env = { ...awkward, REGISTRY_AUTH_FILE: path }
      const wrong = await runNixery(['build', 'greeting', '-q', '-o', target], env)
      assert.equal(wrong.exitCode, 1)
      assert.match(wrong.stderr, /nixery: .* 401 .*the login may not push there/)
      assert.doesNotMatch(wrong.stderr, /wrong\b/)
      await login(`${onlyLogin.user}:${onlyLogin.password}`)
      const right = await runNixery(['build', 'greeting', '-q', '-o', target], env)
      assert.equal(right.exitCode, 0, right.stderr)
    })

    test('asks the credential helper that the file names', async () => {
      const bin = place('bin')
      await mkdir(bin)
      const helper = `#!/bin/sh\nread host\n[ "$1 $host" = "get ${closed.address}" ] || exit 1\necho '{"Username":"${onlyLogin.user}","Secret":"${onlyLogin.password}"}'\n`
      await writeFile(join(bin, 'docker-credential-test'), helper, { mode: 0o755 })
      const path = place('helped.json')
      await writeFile(path, JSON.stringify({ credHelpers: { [closed.address]: 'test' } }))
      const env = {
        ...awkward,
        REGISTRY_AUTH_FILE: path,
        PATH: `${bin}:${process.env['PATH']}`,
      }
      const target = `docker://${closed.address}/me/helped`
      const args = ['build', 'greeting', '-q', '-o', target]
      // The tests' own search path comes first in what they start.
      const { exitCode, stderr } = await runNixery(args, env)
      assert.equal(exitCode, 0, stderr)
    })
  })

  test('prints a line per step where there is no terminal, and JSON for programs', async () => {
    const fresh = { ...awkward, STORAGE_PATH: place('plain') }
    const plain = await runNixery(['build', 'tool'], fresh)
    assert.equal(plain.exitCode, 0, plain.stderr)
    assert.match(plain.stdout, /^sha256:[0-9a-f]{64}\n$/)
    assert.match(plain.stderr, /^tool linux\/\w+: planned: \d+ layers, /m)
    assert.match(plain.stderr, /^tool linux\/\w+: layer \d+ of \d+ packed: root file system /m)
    assert.doesNotMatch(plain.stderr, /\u001B/)

    const json = await runNixery(['build', 'tool', '--json'], {
      ...awkward,
      STORAGE_PATH: place('json'),
    })
    const lines = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.equal(lines.at(-1)?.['kind'], 'result')
    assert.equal(lines.at(-1)?.['digest'], plain.stdout.trim())
    const events = lines.filter(({ kind }) => kind === 'event')
    assert.deepEqual(
      events.map(({ id }) => id),
      events.map((_, index) => index + 1),
    )
  })

  test(
    'draws bars on a terminal, and leaves it tidy',
    { skip: skipUnless(['script', 'stty']) },
    async () => {
      const env = { ...awkward, STORAGE_PATH: place('drawn'), NO_COLOR: '1', TERM: 'xterm' }
      const { output, exitCode } = await runOnTerminal(
        ['build', 'many-blocks', '-o', `oci:${place('drawn-layout')}`],
        { columns: 60, rows: 12 },
        env,
      )
      assert.equal(exitCode, 0, output)
      assert.match(output, /\u001B\[\d+A/)
      assert.doesNotMatch(output, /\u001B\[\d*m/)
      for (const line of output.split(/[\r\n]+/)) {
        const shown = line.replaceAll(/\u001B\[\d*[A-Za-z]/g, '')
        // What stays may be longer; what is drawn again must not wrap.
        if (/\[#* *\]/.test(shown)) assert.ok(shown.length < 60, shown)
      }
      const screen = finalScreen(output)
      assert.ok(screen.some((line) => /^many-blocks linux\/\w+: finished, /.test(line)))
      assert.ok(screen.some((line) => /^sha256:[0-9a-f]{64}$/.test(line)))
      assert.ok(!screen.some((line) => line.includes('[#')), screen.join('\n'))
    },
  )

  /** Settings for a package set whose packages use the same busybox. */
  const withSet = async (name: string, packages: string) => {
    const set = join(place(name), 'set')
    await mkdir(set, { recursive: true })
    await cp(join(awkward['NIXERY_PKGS_PATH'] ?? '', 'busybox'), join(set, 'busybox'), {
      recursive: true,
    })
    await writeFile(join(set, 'default.nix'), `${packageMaker}in ${packages}`)
    return { ...awkward, NIXERY_PKGS_PATH: set, STORAGE_PATH: place(`${name}-storage`) }
  }

  test('says that a platform is left out, whoever wants to be told nothing else', async () => {
    const oneSided = await withSet('one-sided', oneSidedPackages)
    // Of a commit the image is stored, and found by whoever builds it again.
    await commitPackageSet({ directory: place('one-sided') })
    const env = {
      ...oneSided,
      ...bothPlatforms,
    }
    const build = (...args: readonly string[]) => runNixery(['build', 'lonely', ...args], env)
    const quiet = await build('--quiet')
    assert.match(quiet.stdout, /^sha256:[0-9a-f]{64}\n$/)
    const warning = 'linux/arm64 is left out: a package does not exist for it'
    assert.deepEqual([quiet.exitCode, quiet.stderr], [0, `${warning}\n`])
    const again = await build('--quiet')
    assert.deepEqual(again, quiet)
    const json = await build('--json', '--quiet')
    assert.equal(json.stderr, '')
    assert.ok(json.stdout.includes(`${JSON.stringify({ kind: 'note', message: warning })}\n`))
  })

  test('tells nothing of the builds that end with it', async () => {
    const env = {
      ...(await withSet('two-sided', twoSidedPackages)),
      ...bothPlatforms,
    }
    const { exitCode, stderr } = await runNixery(['build', 'sides'], env)
    assert.equal(exitCode, 3, stderr)
    assert.match(stderr, /^sides linux\/amd64: building sides-x86_64-linux$/m)
    assert.match(stderr, /nixery: sides-aarch64-linux failed to build: [^\n]+\n$/)
  })

  test('prints the log of what failed, without what terminals obey', async () => {
    const env = await withSet('hostile', hostilePackages)
    const { exitCode, stdout, stderr } = await runNixery(['build', 'fails'], env)
    assert.deepEqual([exitCode, stdout], [3, ''])
    assert.match(stderr, /^fails-1\.0> {1,}this is why$/m)
    assert.match(stderr, /^nixery: fails-1\.0 failed to build: .*\(build [0-9a-f]{12}\)$/m)
    assert.doesNotMatch(stderr, /[\u0007\u001B]/)
  })

  test('ends a build that is interrupted, with all that it started', async () => {
    const env = { ...awkward, STORAGE_PATH: place('interrupted') }
    const build = startNixery(['build', 'hangs', '-o', `oci:${place('never')}`], env)
    await build.saying(/building hangs-1\.0/)
    build.interrupt()
    assert.equal(await build.ended, 130, build.output())
    assert.match(build.output(), /nixery: interrupted\n$/)
    assert.equal(existsSync(place('never')), false)
  })
})

// Of any system, built on this one.
const packageMaker = `{ system, ... }:
let
  tools = builtins.path { path = ./busybox; name = "tools"; };
  busybox = "\${tools}/bin/busybox";
  package = name: script: derivation {
    inherit name;
    system = "${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux";
    builder = busybox;
    args = [ "sh" "-c" script ];
  };
`

// Its builder prints what clears a terminal and rings its bell.
const hostilePackages = `{
  fails = package "fails-1.0" "\${busybox} printf '\\\\033[2J\\\\007 this is why\\\\n'; exit 7";
}
`

// As nixpkgs refuses a package that is for other systems.
const oneSidedPackages = `{
  lonely = if system == "x86_64-linux"
    then package "lonely" "\${busybox} mkdir $out"
    else throw "Package ‘lonely’ in /set:4 is not available on the requested hostPlatform:\\n  x";
}
`

// One side fails while the other is being built, which begins some seconds later on a busy machine.
const twoSidedPackages = `{
  sides = package "sides-\${system}" (
    if system == "x86_64-linux" then "\${busybox} sleep 60" else "\${busybox} sleep 8; exit 7"
  );
}
`
