import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectRoot } from './project-root.js'

const machineNode = 'the machine'
const cases = [
  {
    name: "runs the product's Node with its cache of code",
    productNode: '#!/bin/sh\necho the product, $NODE_COMPILE_CACHE, $@',
    expected: (root) =>
      `the product, ${root}/node_modules/.cache/node, ${root}/bootstrap/nixery.js serve`,
  },
  {
    name: "runs the machine's Node where the product's is missing",
    productNode: undefined,
    expected: () => machineNode,
  },
  {
    name: "runs the machine's Node where the product's cannot start",
    productNode: '#!/bin/sh\nexit 127',
    expected: () => machineNode,
  },
]

for (const { name, productNode, expected } of cases) {
  test(`nixery.sh ${name}`, (t) => {
    const root = mkdtempSync(join(tmpdir(), 'nixery-start-'))
    t.after(() => rmSync(root, { recursive: true }))
    const script = join(root, 'bootstrap', 'nixery.sh')
    cpSync(join(projectRoot, 'bootstrap', 'nixery.sh'), script)
    writeProgram(join(root, 'bin', 'node'), `#!/bin/sh\necho ${machineNode}`)
    if (productNode !== undefined)
      writeProgram(join(root, 'node_modules', '.bin', 'node'), productNode)
    // As npm links the command.
    symlinkSync(script, join(root, 'bin', 'nixery'))
    const { NODE_COMPILE_CACHE: _, PATH, ...environment } = process.env
    const { stdout } = spawnSync(join(root, 'bin', 'nixery'), ['serve'], {
      encoding: 'utf8',
      env: { ...environment, PATH: `${join(root, 'bin')}:${PATH}` },
    })
    assert.equal(stdout.trimEnd(), expected(root))
  })
}

function writeProgram(path, text) {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
  chmodSync(path, 0o755)
}
