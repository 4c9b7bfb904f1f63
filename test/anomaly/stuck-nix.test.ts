import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { eventually } from './eventually.ts'
import type { FoundProcess } from './find-processes.ts'
import { requestManifest } from './pull-image.ts'
import { findHangingBuilder, makeSite, siteCommands } from './registry-site.ts'

suite('a Nix that does not end when it is asked to', { skip: skipUnless(siteCommands) }, () => {
  test('keeps no client waiting when the service ends', async () => {
    await using site = await makeSite()
    await using service = await site.start()
    const asked = requestManifest(service.url, 'hangs')
    await eventually('the builder', () => findHangingBuilder(site))
    signalAll(await site.findNixProcesses(), 'SIGSTOP')

    const end = service.kill('SIGTERM')
    const answer = await asked
    assert.equal(answer.status, 503)
    assert.match(await answer.text(), /shutting down/)
    const stopped = await site.findNixProcesses()
    assert.notDeepEqual(stopped, [], 'Nix did not end before')

    signalAll(stopped, 'SIGCONT')
    assert.equal((await end).exitCode, 0)
    assert.deepEqual(await site.findNixProcesses(), [])
  })
})

/** Evaluators have half a second to end in, so that one of them may end meanwhile. */
function signalAll(processes: readonly FoundProcess[], signal: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}
