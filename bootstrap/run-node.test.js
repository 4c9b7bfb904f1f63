import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectRoot } from './project-root.js'

const runNodePath = join(projectRoot, 'bootstrap', 'run-node.js')
// Says which process it is and counts the signals that it gets until its input ends.
const patient = `
  let signals = 0
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      signals += 1
      setTimeout(() => process.exit(10 + signals), 100)
    })
  }
  setInterval(() => {}, 60_000)
  console.log(process.pid)`

test('runNode() ends with the exit code of the product', async () => {
  const parent = startParent('process.exit(7)')
  assert.deepEqual(await once(parent, 'exit'), [7, null])
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`runNode() passes one ${signal} on for a burst of them`, async () => {
    const parent = startParent(patient)
    await once(parent.stdout, 'data')
    parent.kill(signal)
    parent.kill(signal)
    assert.deepEqual(await once(parent, 'exit'), [11, null])
  })
}

test('runNode() takes the product with it when it is killed', { timeout: 30_000 }, async () => {
  const parent = startParent(patient)
  await once(parent.stdout, 'data')
  parent.kill('SIGKILL')
  // The pipe ends when the last process that holds it has ended, and the product is that one.
  await once(parent, 'close')
})

function startParent(script) {
  const program = `import { runNode } from ${JSON.stringify(runNodePath)}
    await runNode(['--eval', ${JSON.stringify(script)}])`
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
