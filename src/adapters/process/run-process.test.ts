import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'

import { findProgram } from './find-program.ts'
import { endWithParent, runProcess, type ProcessRequest } from './run-process.ts'

const never = new AbortController().signal
const setpriv = (await findProgram('setpriv', process.env['PATH'] ?? '')) ?? ''
const skip = setpriv === '' && 'there is no setpriv'

const timeoutMs = 30_000
const killGraceMs = 200

/** Runs a script of Node with small limits. */
function runScript(script: string, options: Partial<ProcessRequest> = {}, signal = never) {
  return runProcess(
    {
      command: process.execPath,
      args: ['-e', script],
      environment: new Map(),
      timeoutMs,
      killGraceMs,
      stdoutLimitBytes: 4 * 1024 * 1024,
      errorCodes: { missing: 'NIX_MISSING', failed: 'NIX_FAILED' },
      ...options,
    },
    signal,
  )
}

test('runProcess() gives a program what it reads, and one that reads nothing its end', async () => {
  const echo = 'process.stdin.pipe(process.stdout)'
  const text = 'ä'.repeat(200_000)
  assert.equal((await runScript(echo, { stdin: text })).stdout, text)
  assert.equal((await runScript(echo)).stdout, '')
  assert.equal((await runScript('process.exit(0)', { stdin: text })).kind, 'succeeded')
})

test('runProcess() lets a program and its children give way in the background', async () => {
  const script = `console.log(require('node:child_process').execFileSync('/usr/bin/nice').toString())`
  assert.equal(Number((await runScript(script, { inBackground: true })).stdout), 19)
})

/** A script whose child ignores SIGTERM; it prints the child's id, and waits. */
const stubborn = `
  const { spawn } = require('node:child_process')
  const ignore = "process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1e6)"
  const child = spawn(process.execPath, ['-e', ignore], { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.once('data', () => console.error(child.pid))
  process.on('SIGTERM', () => {})
`

test('runProcess() gives the output, the exit code and nothing of the own environment', async () => {
  const end = await runScript(
    `console.log(JSON.stringify(process.env)); console.error('oops'); process.exitCode = 3`,
    { environment: new Map([['ONLY', 'this']]) },
  )
  assert.deepEqual(end, {
    kind: 'failed',
    stdout: '{"ONLY":"this"}\n',
    stderrTail: 'oops\n',
    status: 'exit code 3',
  })
})

test('runProcess() keeps little of a line that does not end', async () => {
  const mebibytes = 300
  const lines: number[] = []
  const end = await runScript(
    `for (let i = 0; i < ${mebibytes}; i++) require('node:fs').writeSync(2, Buffer.alloc(2 ** 20, 'x'))`,
    // A busy machine takes its time to pass so much on.
    { onStderrLine: (line) => lines.push(line.length), timeoutMs: 10 * timeoutMs },
  )
  assert.equal(end.kind, 'succeeded')
  assert.deepEqual(lines, [2 ** 20])
  assert.ok(process.memoryUsage().arrayBuffers < (mebibytes / 2) * 2 ** 20)
})

test('runProcess() drains stdout and stderr together, and keeps the end of stderr', async () => {
  const script = `
    for (let line = 0; line < 20000; line++) {
      console.log('x'.repeat(99))
      console.error('y'.repeat(99))
    }
    console.error('the end')
  `
  const lines: string[] = []
  const end = await runScript(script, { onStderrLine: (line) => lines.push(line) })
  assert.equal(end.kind, 'succeeded')
  assert.equal(end.stdout.length, 2_000_000)
  assert.equal(end.stderrTail.length, 64 * 1024)
  assert.ok(end.stderrTail.endsWith('the end\n'))
  assert.equal(lines.length, 20_001)
})

test('runProcess() hands on the last line without a line end, and cuts lines of many megabytes', async () => {
  const lines: string[] = []
  await runScript(`process.stderr.write('a'.repeat(3e6) + '\\nlast')`, {
    onStderrLine: (line) => lines.push(line),
  })
  assert.deepEqual(
    lines.map((line) => line.length),
    [1024 * 1024, 4],
  )
})

test('runProcess() ends a process that prints too much', async () => {
  const end = await runScript(`setInterval(() => console.log('x'.repeat(10000)), 0)`, {
    stdoutLimitBytes: 100_000,
  })
  assert.equal(end.kind, 'printed-too-much')
  assert.ok(end.stdout.length <= 100_000)
})

// Time is over when a script has said that it is ready, however long the machine takes to start it.
function passTime({ mock: { timers } }: TestContext): void {
  timers.tick(timeoutMs)
  timers.tick(killGraceMs)
}

test('runProcess() ends the whole group when the time is over, SIGTERM or not', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const children: number[] = []
  const end = await runScript(stubborn, {
    onStderrLine: (line) => {
      children.push(Number(line))
      passTime(context)
    },
  })
  assert.equal(end.kind, 'timed-out')
  assert.equal(end.status, 'signal SIGKILL')
  assert.equal(children.length, 1)
  assert.equal(await isRunning(children[0]!), false)
})

test('runProcess() asks again when a process misses the first SIGTERM', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const deaf = `
    process.once('SIGTERM', () => process.once('SIGTERM', () => process.exit(7)))
    setInterval(() => {}, 1e6)
    console.error('ready')
  `
  const onStderrLine = () => passTime(context)
  const end = await runScript(deaf, { killGraceMs: 20_000, onStderrLine })
  assert.deepEqual([end.kind, end.status], ['timed-out', 'exit code 7'])
})

test('runProcess() ends the children of a process that stays deaf', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const waiting = `
    const { spawn } = require('node:child_process')
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { detached: true })
    child.on('exit', (code, signal) => process.exit(signal === 'SIGKILL' ? 7 : 8))
    process.on('SIGTERM', () => {})
    console.error('ready')
  `
  const onStderrLine = () => passTime(context)
  const end = await runScript(waiting, { killGraceMs: 20_000, onStderrLine })
  assert.deepEqual([end.kind, end.status], ['timed-out', 'exit code 7'])
})

test('runProcess() rejects with the reason of the signal once the group has gone', async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  let child = 0
  const onStderrLine = (line: string) => {
    child = Number(line)
    controller.abort(reason)
  }
  await assert.rejects(runScript(stubborn, { onStderrLine }, controller.signal), reason)
  assert.equal(await isRunning(child), false)
  await assert.rejects(runScript('', {}, controller.signal), reason)
})

test('runProcess() throws what its caller says when the program cannot be started', async () => {
  const errorCodes = { missing: 'SOURCE_UNAVAILABLE', failed: 'NO_PERMISSION' } as const
  await assert.rejects(runScript('', { command: '/not/there', errorCodes }), {
    name: 'OperatingError',
    code: 'SOURCE_UNAVAILABLE',
    message: 'the program /not/there is not there',
  })
  await assert.rejects(runScript('', { command: import.meta.dirname, errorCodes }), {
    code: 'NO_PERMISSION',
  })
})

test('endWithParent() runs nothing when the parent has died before', { skip }, async () => {
  // What setpriv prints has the signal that comes with the parent's death.
  const dump = [setpriv, '--dump']
  const run = (parentId: number) => {
    const [command, ...args] = endWithParent(setpriv, 'TERM', parentId, dump)
    return runScript('', { command: command!, args })
  }
  const end = await run(process.pid)
  assert.deepEqual([end.kind, end.stderrTail], ['succeeded', ''])
  assert.match(end.stdout, /parent.death signal: *(SIG)?TERM/i)
  const orphan = await run(process.ppid)
  assert.deepEqual([orphan.kind, orphan.stdout], ['failed', ''])
})

/** One that nobody has waited for yet does not run any more, and neither does one that the kernel takes down. */
async function isRunning(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [, state, flags] = /\) (\S)(?: \S+){5} (\d+)/.exec(status) ?? []
  return state !== undefined && !/[ZX]/.test(state) && (Number(flags) & exiting) === 0
}

/** PF_EXITING of the kernel's sched.h: the process has closed its files, or is about to. */
const exiting = 0x4
