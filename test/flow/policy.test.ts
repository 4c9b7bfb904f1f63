import assert from 'node:assert/strict'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { ImageView } from '#core/api/image-view.ts'
import { startRegistry } from '#test/anomaly/registry-process.ts'
import { siteCommands } from '#test/anomaly/registry-site.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { runPlainGit } from '#test/sources/git-repository.ts'

/** The awkward set, a package of 6 MB, and one that images get without being asked. */
const withMorePackages = `arguments: import ./awkward.nix arguments // {
  iana-etc = (import ./awkward.nix arguments).remote;
  large = derivation {
    name = "large-1.0";
    inherit (arguments) system;
    builder = "\${./busybox}/bin/busybox";
    args = [ "sh" "-c" "\${./busybox}/bin/busybox seq 1000000 1800000 > $out" ];
  };
}
`

suite('the policy of an operator', { skip: skipUnless([...siteCommands, 'git']) }, () => {
  const resources = new AsyncDisposableStack()
  let directory: string
  let set: string

  before(async () => {
    directory = resources.use(await makeScratchDirectory()).path
    set = join(directory, 'set')
    await mkdir(set)
    const awkward = join(directory, 'awkward')
    await mkdir(awkward)
    await prepareAwkwardSet(awkward)
    await mkdir(join(set, 'busybox/bin'), { recursive: true })
    for (const file of ['nonce', 'busybox/bin/busybox'])
      await copyFile(join(awkward, file), join(set, file))
    await copyFile(join(awkward, 'default.nix'), join(set, 'awkward.nix'))
    await writeFile(join(set, 'default.nix'), withMorePackages)
    // A clean work tree is pinned, so that its images are cached.
    await runPlainGit(set, 'init', '--quiet')
    await runPlainGit(set, 'add', '--all')
    const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
    await runPlainGit(set, ...identity, 'commit', '--quiet', '--message=set')
  })
  after(() => resources.disposeAsync())

  const start = (environment: Readonly<Record<string, string>>) =>
    startRegistry({
      environment: {
        NIXERY_STATE_DIRECTORY: join(directory, 'state'),
        STORAGE_PATH: join(directory, 'storage'),
        NIXERY_PKGS_PATH: set,
        ...environment,
      },
    })

  async function ask(url: string, name: string, reference = 'latest') {
    const response = await fetch(`${url}/v2/${name}/manifests/${reference}`)
    const digest = response.headers.get('docker-content-digest') ?? ''
    return { status: response.status, text: await response.text(), digest }
  }

  test('refuses unfree, broken, insecure and unsupported packages, and serves what is allowed', async () => {
    const cases: ReadonlyArray<
      readonly [name: string, status: number, environment: Readonly<Record<string, string>>]
    > = [
      ['checked-unfree', 403, { NIXERY_ALLOW_UNFREE: 'on' }],
      ['checked-broken', 422, { NIXERY_ALLOW_BROKEN: 'on' }],
      ['checked-insecure', 403, { NIXERY_ALLOW_INSECURE: 'other-1,checked-insecure-1.0' }],
    ]
    {
      await using strict = await start({})
      for (const [name, status] of [...cases, ['checked-unsupported', 404] as const]) {
        const answer = await ask(strict.url, name)
        assert.equal(answer.status, status, answer.text)
        assert.match(answer.text, /\(build [0-9a-f]{12}\)/)
      }
    }
    for (const [name, , environment] of cases) {
      await using lenient = await start(environment)
      const answer = await ask(lenient.url, name)
      assert.equal(answer.status, 200, answer.text)
    }
    await using strict = await start({})
    assert.equal((await ask(strict.url, 'checked-unfree')).status, 403, 'no cache answers for it')
  })

  test('leaves out by pattern what is stored already, also by digest and under another name', async () => {
    let digest = ''
    {
      await using open = await start({})
      ;({ digest } = await ask(open.url, 'tool'))
      assert.equal((await ask(open.url, 'nested.inner-set.leaf')).status, 200)
    }
    await using closed = await start({ NIXERY_DENY: 'tool*,nested.*', NIXERY_ALLOW: '*' })
    for (const [name, reference] of [
      ['tool', 'latest'],
      ['tool', digest],
      ['greeting/tool', 'latest'],
      ['nested.inner-set.leaf', 'latest'],
    ] as const) {
      const answer = await ask(closed.url, name, reference)
      assert.deepEqual([answer.status, /DENIED/.test(answer.text)], [403, true], answer.text)
    }
    assert.equal((await ask(closed.url, 'greeting')).status, 200)
    await using outer = await start({ NIXERY_DENY: 'nested' })
    const inner = await ask(outer.url, 'nested.inner-set.leaf')
    assert.equal(inner.status, 403, inner.text)
    await using named = await start({ NIXERY_DENY: 'greeting', NIXERY_ALLOW: 'twocases,g*' })
    const alias = await ask(named.url, 'gplusplus')
    assert.equal(alias.status, 403, alias.text)
    assert.match(alias.text, /gplusplus is g\+\+/)
    assert.match((await ask(named.url, 'tool')).text, /tool is not among the packages/)
  })

  test('leaves out what images get without being asked, and refuses it to who asks', async () => {
    await using service = await start({ NIXERY_DENY: 'remote' })
    const without = await ask(service.url, 'tool')
    assert.equal(without.status, 200, without.text)
    await using usual = await start({})
    assert.notEqual((await ask(usual.url, 'tool')).text, without.text)
    const shown = await fetch(`${usual.url}/api/v1/image?name=tool`)
    const { closure = [] } = (await shown.json()) as ImageView
    assert.ok(
      closure.some(({ path }) => path.endsWith('-remote-1.0')),
      JSON.stringify(closure),
    )
    const byName = closure.filter(({ asked }) => asked)
    assert.deepEqual(
      byName.map(({ path }) => path.slice(33)),
      ['tool-1.0'],
    )
    const asked = await ask(service.url, 'tool/iana-etc')
    assert.equal(asked.status, 403, asked.text)
    assert.match(asked.text, /iana-etc is iana-etc, which is not among/)
  })

  test('bounds the number of packages and the size of an image', async () => {
    await using service = await start({ NIXERY_MAX_PACKAGES: '2', NIXERY_MAX_CLOSURE_MIB: '1' })
    const many = await ask(service.url, 'tool/greeting/remote')
    assert.equal(many.status, 400)
    assert.match(many.text, /at most 2/)
    const small = await ask(service.url, 'tool/greeting')
    assert.equal(small.status, 200, small.text)
    const large = await ask(service.url, 'large')
    assert.equal(large.status, 403, large.text)
    assert.match(large.text, /take \d+ MiB, this registry serves at most 1 MiB/)
  })
})
