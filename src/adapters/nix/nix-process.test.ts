import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { eventually } from '#test/anomaly/eventually.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { NixProcess } from './nix-process.ts'
import { readString } from './wire-format.ts'

const environment = new Map([['PATH', process.env['PATH'] ?? '']])

function start(script: string): NixProcess {
  return new NixProcess({ command: 'sh', args: ['-c', script], environment })
}

suite('NixProcess', () => {
  test('reads what comes in pieces, and what is there already', async () => {
    const script = String.raw`printf '\003\0\0\0'; read line; printf '\0\0\0\0abc\0\0\0\0\0and %s.' $line`
    const process = start(script)
    process.write('more\n')
    assert.equal(await process.read(readString()), 'abc')
    assert.equal(await process.readUntil('.', 100), 'and more.')
    await process.kill()
  })

  test('refuses a string without end, and text without its end', async () => {
    const process = start("printf '\\377\\377\\377\\377\\0\\0\\0\\0'; cat /dev/zero")
    await assert.rejects(process.read(readString()), { message: /a string of 4294967295 bytes/ })
    await assert.rejects(process.readUntil('.', 1_000_000), { message: /too much/ })
    await process.kill()
  })

  test('rejects when the process ends or is not there', async () => {
    await assert.rejects(start('exit 1').read(readString()), { code: 'NIX_FAILED' })
    const missing = new NixProcess({ command: '/not/there', args: [], environment })
    await assert.rejects(missing.read(readString()), { code: 'NIX_FAILED' })
    await missing.kill()
  })

  test('signals its group when it ends, and nobody afterwards', async (context) => {
    const kill = context.mock.method(process, 'kill')
    const child = start('exit 1')
    const signals = () =>
      kill.mock.calls.flatMap(({ arguments: [to, signal] }) => (to === -child.pid! ? [signal] : []))
    await eventually('the signal', () => signals()[0])
    await child.kill()
    assert.deepEqual(signals(), ['SIGKILL'])
  })

  test('keeps who awaits an answer alive, and nobody else', async () => {
    const modulePath = join(import.meta.dirname, 'nix-process.ts')
    const script = `
      import { NixProcess } from ${JSON.stringify(modulePath)}
      const start = (command) => new NixProcess({ command, args: ['60'], environment: new Map() })
      const idle = start('sleep')
      await start('false').readUntil('x', 10).catch(() => console.log('rejected'))
      process.on('exit', () => idle.kill())
    `
    const { stdout } = await runCommand(process.execPath, ['--input-type=module', '-e', script])
    assert.equal(stdout.trim(), 'rejected')
  })
})
