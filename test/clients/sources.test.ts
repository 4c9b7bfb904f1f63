import assert from 'node:assert/strict'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { eventually } from '#test/anomaly/eventually.ts'
import { startGreeterSite, type GreeterSite } from '#test/sources/greeter-site.ts'
import { skipUnless } from './availability.ts'
import { dockerdCommands, startDockerd } from './dockerd.ts'
import { startNixery } from './nixery-server.ts'
import type { NixeryServer } from './nixery-server.ts'
import { outputOf } from './run-command.ts'
import type { Client } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

const commands = [...dockerdCommands, 'git', 'apt-get', 'dpkg-deb']

const flake = `{
  outputs = { self }: {
    packages = builtins.listToAttrs (map
      (system: { name = system; value = import ./greeter.nix { inherit system; }; })
      [ "x86_64-linux" "aarch64-linux" ]);
  };
}
`

suite('package sources under docker', { skip: skipUnless(commands, { root: true }) }, () => {
  const resources = new AsyncDisposableStack()
  let docker: Client

  before(async () => {
    docker = resources.use(await startDockerd())
  })
  after(() => resources.disposeAsync())

  /** A site with one commit, a state and a storage directory that outlive the services on them. */
  async function makeSite(environment: (site: GreeterSite) => Readonly<Record<string, string>>) {
    await using stack = new AsyncDisposableStack()
    const { path } = stack.use(await makeScratchDirectory())
    const site = stack.use(await startGreeterSite(join(path, 'origin')))
    const first = await site.greet('hello one')
    const start = (more: Readonly<Record<string, string>> = {}) =>
      startNixery({
        NIXERY_STATE_DIRECTORY: join(path, 'state'),
        STORAGE_PATH: join(path, 'storage'),
        // Every pull asks whether the reference has moved.
        NIXERY_PIN_TTL: '0',
        ...environment(site),
        ...more,
      })
    const kept = stack.move()
    return { path, site, first, start, [Symbol.asyncDispose]: () => kept.disposeAsync() }
  }

  /** What the program of an image says; docker has never seen the image before. */
  async function run(nixery: NixeryServer, name: string): Promise<string> {
    const image = `${nixery.address}/${name}`
    await outputOf(docker, ['pull', image])
    return outputOf(docker, ['run', '--rm', '--network=none', image, 'greet'])
  }

  async function inspect(nixery: NixeryServer, name: string, tag = 'latest') {
    const response = await fetch(`http://${nixery.address}/v2/${name}/manifests/${tag}`)
    const { headers, status } = response
    return {
      status,
      text: await response.text(),
      digest: headers.get('docker-content-digest'),
      revision: headers.get('nixery-revision'),
      staleSince: headers.get('nixery-stale-since'),
    }
  }

  /** The answer of `latest` once it is a commit. An origin is asked every five seconds at most. */
  const inspectAt = (nixery: NixeryServer, commit: string) =>
    eventually(
      `the commit ${commit}`,
      async () => {
        const answer = await inspect(nixery, 'greeter')
        return answer.revision === commit ? answer : undefined
      },
      60_000,
    )

  const countBuilds = async (nixery: NixeryServer) =>
    (await nixery.readLog()).split('\n').filter((line) => line.includes('build started')).length

  const moving = {
    git: (site: GreeterSite) => ({ NIXERY_PKGS_REPO: site.repositoryUrl }),
    nixpkgs: (site: GreeterSite) => ({
      NIXERY_CHANNEL: 'nixos-test',
      NIXERY_CHANNELS_URL: site.channelsUrl,
      NIXERY_NIXPKGS_REPO: site.repositoryUrl,
      NIXERY_NIXPKGS_TARBALL: site.archiveUrl,
    }),
  }
  for (const [kind, environment] of Object.entries(moving)) {
    test(`${kind}: runs from a cold start, follows its reference, and outlives its origin`, async () => {
      await using place = await makeSite(environment)
      const { site, first } = place
      {
        await using nixery = await place.start()
        assert.equal(await run(nixery, 'greeter'), 'hello one\n')
        assert.equal((await inspect(nixery, 'greeter')).revision, first)
        assert.equal(await countBuilds(nixery), 1)

        const second = await site.greet('hello two')
        const moved = await inspectAt(nixery, second)
        assert.equal(await run(nixery, 'greeter'), 'hello two\n')
        assert.equal(await run(nixery, `greeter:${first}`), 'hello one\n')
        assert.equal((await inspect(nixery, 'greeter', second)).digest, moved.digest)

        const same = await inspectAt(nixery, await site.greet('hello two'))
        assert.equal(same.digest, moved.digest, 'content decides, not the commit')
      }
      await site.goDown()
      await using nixery = await place.start()
      const stale = await inspect(nixery, 'greeter')
      assert.deepEqual([stale.status, stale.revision === null], [200, false], stale.text)
      assert.ok(stale.staleSince)
      assert.equal((await inspect(nixery, 'greeter', first)).status, 200)
      assert.equal(await countBuilds(nixery), 0)
      const unknown = await inspect(nixery, 'greeter', 'never-seen')
      assert.equal(unknown.status, 503, unknown.text)
      await site.comeBack()
      const back = await inspectAt(nixery, await site.greet('hello three'))
      assert.equal(back.staleSince, null)
      assert.equal(await run(nixery, 'greeter'), 'hello three\n')
    })
  }

  test('path: pinned by its commit while it is clean, built anew when it is not', async () => {
    await using place = await makeSite((site) => ({ NIXERY_PKGS_PATH: site.directory }))
    const { site, first } = place
    await using nixery = await place.start()
    assert.equal(await run(nixery, 'greeter'), 'hello one\n')
    assert.equal((await inspect(nixery, 'greeter')).revision, first)
    assert.equal(await countBuilds(nixery), 1)
    await writeFile(join(site.directory, 'text'), 'not committed')
    assert.equal(await run(nixery, 'greeter'), 'not committed\n')
    const before = await countBuilds(nixery)
    await inspect(nixery, 'greeter')
    assert.equal(await countBuilds(nixery), before + 1)
  })

  test('flake: runs from a repository that has nothing else', async () => {
    await using place = await makeSite((site) => ({ NIXERY_PKGS_REPO: site.repositoryUrl }))
    const { site } = place
    await rename(join(site.directory, 'default.nix'), join(site.directory, 'greeter.nix'))
    await writeFile(join(site.directory, 'flake.nix'), flake)
    await site.greet('hello flake')
    await using nixery = await place.start()
    assert.equal(await run(nixery, 'greeter'), 'hello flake\n')
  })

  test('one image has one digest, through name, commit, stored spec and another source', async () => {
    await using place = await makeSite(() => ({}))
    const { path, site, first } = place
    const sources = join(path, 'sources.yaml')
    await writeFile(
      sources,
      `sources:
  ours: { git: "${site.repositoryUrl}" }
  local: { path: ${site.directory} }
`,
    )
    const specs = join(path, 'specs')
    await mkdir(specs)
    await writeFile(join(specs, 'hello.yaml'), 'packages: [Greeter]')
    await using nixery = await place.start({ NIXERY_SOURCES: sources, NIXERY_IMAGES_DIR: specs })
    const { digest } = await inspect(nixery, 'greeter')
    assert.match(digest ?? '', /^sha256:/)
    for (const name of ['ours/greeter', 'local/greeter', 'hello'])
      assert.equal((await inspect(nixery, name)).digest, digest, name)
    assert.equal((await inspect(nixery, 'greeter', first)).digest, digest)
    assert.equal((await inspect(nixery, 'greeter', 'main')).digest, digest)
  })

  test('tags are refused in words that help', async () => {
    await using place = await makeSite((site) => ({
      NIXERY_PKGS_REPO: site.repositoryUrl,
      NIXERY_TAGS: 'main,v*',
    }))
    await using nixery = await place.start()
    const unknown = await inspect(nixery, 'greeter', 'v9')
    assert.equal(unknown.status, 404, unknown.text)
    assert.match(unknown.text, /v9/)
    const forbidden = await inspect(nixery, 'greeter', 'other')
    assert.deepEqual([forbidden.status, /DENIED/.test(forbidden.text)], [403, true])
    const option = await inspect(nixery, 'greeter', '--upload-pack=x')
    assert.equal(option.status, 400)
  })
})
