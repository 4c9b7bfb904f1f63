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
    await using npm = await startNpm()
    assert.equal((await npm.ask()).status, 200)
    process.kill(npm.pid, 'SIGTERM')
    await expectDrained(npm)
  })

  test('takes one Ctrl-C, which the terminal and npm deliver, for one', async () => {
    await using npm = await startNpm()
    process.kill(-npm.pid, 'SIGINT')
    await expectDrained(npm)
  })

  test('takes the service along when it is killed', async () => {
    await using npm = await startNpm()
    process.kill(npm.pid, 'SIGKILL')
    await expectDrained(npm)
  })
})

interface StartedNpm extends AsyncDisposable {
  /** It leads a process group of its own, as in a terminal. */
  readonly pid: number
  /** The service's output. */
  readonly lines: readonly string[]
  readonly ended: Promise<unknown>
  ask(): Promise<Response>
}

async function startNpm(): Promise<StartedNpm> {
  await using stack = new AsyncDisposableStack()
  const site = stack.use(await makeSite())
  const npm = spawn('npm', ['start'], {
    cwd: projectRoot,
    env: clientEnvironment({ ...site.environment, PORT: '0', NIXERY_HOST: '127.0.0.1' }),
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  const pid = npm.pid!
  // Whatever is left when the test fails.
  stack.defer(() => endGroup(pid))
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
  const resources = stack.move()
  return {
    pid,
    lines,
    ended,
    ask: () => fetch(`http://127.0.0.1:${port}/v2/`),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function expectDrained(npm: StartedNpm): Promise<void> {
  await npm.ended
  await eventually('the end of the service', () =>
    npm.ask().then(
      () => undefined,
      () => true,
    ),
  )
  // The pipe may be behind.
  await eventually(
    'the last line',
    async () => npm.lines.some((line) => line.includes('"msg":"stopped"')) || undefined,
  )
  assert.ok(npm.lines.some((line) => line.includes('"msg":"draining"')))
}

function endGroup(leaderPid: number): void {
  try {
    process.kill(-leaderPid, 'SIGKILL')
  } catch (error) {
    // ESRCH: nothing is left.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
