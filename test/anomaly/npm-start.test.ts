import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { clientEnvironment } from '#test/clients/run-command.ts'
import { eventually } from './eventually.ts'
import { makeSite, siteCommands } from './registry-site.ts'

const projectRoot = join(import.meta.dirname, '..', '..')

suite('npm start', { skip: skipUnless([...siteCommands, 'npm']) }, () => {
  test('hands SIGTERM on: the service drains and gives its port back', async () => {
    await using site = await makeSite()
    const npm = spawn('npm', ['start'], {
      cwd: projectRoot,
      env: clientEnvironment({ ...site.environment, PORT: '0', NIXERY_HOST: '127.0.0.1' }),
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    })
    // Whatever is left when the test fails.
    using _group = { [Symbol.dispose]: () => endGroup(npm.pid!) }
    const lines: string[] = []
    const ready = Promise.withResolvers<number>()
    createInterface({ input: npm.stdout }).on('line', (line) => {
      lines.push(line)
      const port = /"port":(\d+)/.exec(line)?.[1]
      if (line.includes('"msg":"ready') && port !== undefined) ready.resolve(Number(port))
    })
    const ended = once(npm, 'exit')
    const gone = ended.then(() => assert.fail(`it has ended: ${lines.join('\n')}`))
    const port = await Promise.race([ready.promise, gone])
    const ask = () => fetch(`http://127.0.0.1:${port}/v2/`)
    assert.equal((await ask()).status, 200)

    npm.kill('SIGTERM')
    await ended
    await eventually('the end of the service', () =>
      ask().then(
        () => undefined,
        () => true,
      ),
    )
    assert.ok(lines.some((line) => line.includes('"msg":"draining"')))
  })
})

function endGroup(leaderPid: number): void {
  try {
    process.kill(-leaderPid, 'SIGKILL')
  } catch (error) {
    // ESRCH: nothing is left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
