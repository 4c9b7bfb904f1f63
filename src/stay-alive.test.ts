import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const importOf = (name: string, file: string) =>
  `import { ${name} } from ${JSON.stringify(join(import.meta.dirname, file))}`

const wait = `
  ${importOf('stayAlive', 'stay-alive.ts')}
  ${importOf('systemClock', 'adapters/time/system-clock.ts')}
  const wait = () => new Promise((resolve) => systemClock.after(20, resolve))
`

function run(script: string) {
  const args = ['--input-type=module-typescript', '-e', wait + script]
  const options = { encoding: 'utf8', timeout: 30_000 } as const
  const { status, stdout } = spawnSync(process.execPath, args, options)
  return { status, stdout }
}

test('stayAlive() keeps a process that only waits for the clock, until its work ends', () => {
  // What Node does otherwise: without it this test would prove nothing.
  const ended = { status: 13, stdout: '' }
  assert.deepEqual(run('await wait(); console.log("done")'), ended)
  const worked = { status: 0, stdout: 'done\n' }
  assert.deepEqual(run('await stayAlive(wait); console.log("done")'), worked)
})

test('stayAlive() lets the process go when its work fails', () => {
  const script = `
    const fail = () => Promise.reject(new Error('failed'))
    await stayAlive(fail).catch((error) => console.log(error.message))
  `
  assert.deepEqual(run(script), { status: 0, stdout: 'failed\n' })
})
