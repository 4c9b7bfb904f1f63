import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { eventually } from './eventually.ts'
import { requestManifest } from './pull-image.ts'
import {
  findHangingBuilder,
  findStagedFiles,
  isWithoutNixCommands,
  makeSite,
  siteCommands,
} from './registry-site.ts'

// Below 20 s: nix-store has so long to end its builders, and requests at SIGTERM to be answered. A service
// that waited for either, or for the builder, which may run for a minute, would need longer.
const promptMs = 18_000

suite('a build that is not to go on', { skip: skipUnless(siteCommands) }, () => {
  test('SIGTERM answers its client with 503 and ends the service and Nix', async () => {
    await using site = await makeSite()
    await using service = await site.start()
    const asked = requestManifest(service.url, 'tool/hangs')
    await eventually('the builder', () => findHangingBuilder(site))

    const startedMs = performance.now()
    const end = service.kill('SIGTERM')
    const answer = await asked
    assert.equal(answer.status, 503)
    assert.ok(Number(answer.headers.get('retry-after')) > 0)
    const { errors } = (await answer.json()) as { errors: { message: string }[] }
    assert.match(errors[0]?.message ?? '', /shutting down/)

    const { exitCode, stderr } = await end
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.ok(performance.now() - startedMs < promptMs, 'promptly')
    assert.deepEqual(await site.findNixProcesses(), [])
    assert.deepEqual(await findStagedFiles(site.storageDirectory), [])
  })

  for (const graceS of [0, 1]) {
    test(`ends with its only client and a grace of ${graceS} s`, async () => {
      await using site = await makeSite()
      await using service = await site.start({
        environment: { NIXERY_BUILD_GRACE: String(graceS) },
      })
      const client = new AbortController()
      const asked = requestManifest(service.url, 'hangs', client.signal)
      await eventually('the builder', () => findHangingBuilder(site))
      client.abort()
      await assert.rejects(asked, { name: 'AbortError' })
      await eventually('the end of Nix', () => isWithoutNixCommands(site), promptMs)
      await eventually('the end of the build', () =>
        service.log.find(({ msg }) => msg === 'build aborted'),
      )
      const answer = await requestManifest(service.url, 'tool')
      assert.equal(answer.status, 200, 'and the service goes on')
    })
  }

  test('ends alone: another client’s build of the same image goes on', async () => {
    await using site = await makeSite()
    await using service = await site.start({ environment: { NIXERY_BUILD_GRACE: '0' } })
    const impatient = new AbortController()
    const asked = requestManifest(service.url, 'heavy/noisy', impatient.signal)
    const patient = requestManifest(service.url, 'noisy/heavy')
    const started = () => service.log.filter(({ msg }) => msg === 'build started')
    // The set of a path may be edited at any time, so each client has a build of its own.
    await eventually('both builds', () => started().length === 2 || undefined)
    impatient.abort()
    await assert.rejects(asked, { name: 'AbortError' })
    assert.equal((await patient).status, 200)
    const aborted = () => service.log.filter(({ msg }) => msg === 'build aborted')
    // Its Nix may take longer to end than the other build, and the log is behind.
    await eventually('the end of the first build', () => aborted().length > 0 || undefined)
    assert.equal(aborted().length, 1)
  })
})
