import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { eventually } from './eventually.ts'
import { requestManifest } from './pull-image.ts'
import { findHangingBuilder, makeSite, siteCommands } from './registry-site.ts'

suite('a Nix that does not end when it is asked to', { skip: skipUnless(siteCommands) }, () => {
  test('keeps no client waiting when the service ends', async () => {
    await using site = await makeSite()
    await using service = await site.start()
    const asked = requestManifest(service.url, 'hangs')
    await eventually('the builder', () => findHangingBuilder(site))
    const stopped = await site.findNixProcesses()
    for (const { pid } of stopped) process.kill(pid, 'SIGSTOP')

    const end = service.kill('SIGTERM')
    const answer = await asked
    assert.equal(answer.status, 503)
    assert.match(await answer.text(), /shutting down/)
    assert.notDeepEqual(await site.findNixProcesses(), [], 'Nix did not end before')

    for (const { pid } of stopped) process.kill(pid, 'SIGCONT')
    assert.equal((await end).exitCode, 0)
    assert.deepEqual(await site.findNixProcesses(), [])
  })
})
