import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '#test/fakes/manual-clock.ts'
import { runDoctor, type DoctorCheck } from './run-doctor.ts'

function check(subject: string, run: DoctorCheck['run']): DoctorCheck {
  return { subject, run }
}

async function diagnose(
  checks: readonly DoctorCheck[],
  args: readonly string[] = [],
  clock = createManualClock(),
  signal = new AbortController().signal,
) {
  let out = ''
  let err = ''
  const running = runDoctor(
    args,
    {
      checks: async () => checks,
      explain: (error) => ({ level: 'fail', message: String(error) }),
      clock,
    },
    {
      stdout: { write: (text: string) => (out += text) },
      stderr: { write: (text: string) => (err += text) },
      environment: {},
    },
    signal,
  )
  return { running, read: () => ({ out, err }) }
}

const good = check('disk', async () => [{ level: 'ok', message: 'large' }])

test('runDoctor() says how to mend what is not well, and fails only for failures', async () => {
  const old = check('Nix', async () => [
    { level: 'warn', message: 'old\u001B[2J', mend: 'install a newer one' },
  ])
  const warned = await diagnose([good, old])
  assert.equal(await warned.running, 0)
  assert.equal(
    warned.read().out,
    'ok    disk: large\nwarn  Nix: old\n      to mend it: install a newer one\n\n0 failures, 1 warning.\n',
  )
  const broken = check('port', () => Promise.reject(new Error('taken')))
  const failed = await diagnose([broken, good])
  assert.equal(await failed.running, 1)
  assert.match(failed.read().out, /^fail {2}port: Error: taken\nok {4}disk: large\n/)
})

test('runDoctor() does not wait for what hangs', async () => {
  const clock = createManualClock()
  let ended: unknown
  const hanging = check('storage', (signal) => {
    signal.addEventListener('abort', () => (ended = signal.reason))
    return new Promise(() => {})
  })
  const { running, read } = await diagnose([hanging, good], [], clock)
  await Promise.resolve()
  clock.advance(60_000)
  assert.equal(await running, 1)
  assert.match(read().out, /^fail {2}storage: no answer in 20 s\n {6}to mend it: .*\nok {4}disk/)
  assert.ok(ended instanceof Error)
})

test('runDoctor() prints JSON for programs', async () => {
  const { running, read } = await diagnose([good], ['--json'])
  assert.equal(await running, 0)
  assert.deepEqual(JSON.parse(read().out), {
    failures: 0,
    warnings: 0,
    findings: [{ subject: 'disk', level: 'ok', message: 'large' }],
  })
})

test('runDoctor() ends with the reason of its signal, whatever the other checks do', async () => {
  const stopping = new AbortController()
  const rejected = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const { running } = await diagnose(
    [check('one', rejected), check('two', rejected)],
    [],
    createManualClock(),
    stopping.signal,
  )
  const ended = assert.rejects(running, /interrupted/)
  stopping.abort(new Error('interrupted'))
  await ended
})
