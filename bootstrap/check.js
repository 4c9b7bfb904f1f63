import './require-node.js'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { productNode } from './npm-packages.js'
import { projectRoot } from './project-root.js'
import { setUp } from './set-up.js'

setUp('check')
const bin = join(projectRoot, 'node_modules', '.bin')
const checks = [
  ['format', 'oxfmt', '--check', '.'],
  ['lint', 'oxlint', '--deny-warnings', '.'],
  ['types', 'tsc', '-p', '.'],
  ['types of the page', 'tsc', '-p', 'web'],
  ['types of its tests', 'tsc', '-p', 'test/browser'],
  ['types of the documentation', 'tsc', '-p', 'site/browser'],
  ['dead code', 'knip'],
  ...projectChecks(),
]
const failed = checks.filter((check) => !passes(check)).map(([name]) => name)
if (failed.length > 0) console.error(`check: failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

/** Every program in checks/ is one of the project's own rules. */
function projectChecks() {
  return readdirSync(join(projectRoot, 'checks'))
    .filter((file) => /^[a-z-]+\.ts$/.test(file))
    .sort()
    .map((file) => [file.replace('.ts', ''), productNode(projectRoot), join('checks', file)])
}

function passes([name, command, ...arguments_]) {
  const startedAtMs = performance.now()
  const result = spawnSync(command, arguments_, {
    cwd: projectRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, PATH: [bin, process.env.PATH].join(delimiter) },
  })
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1)
  const passed = result.status === 0
  if (!passed) console.error(`${result.stdout ?? ''}${result.stderr ?? result.error?.message}`)
  console.error(`check: ${name} ${passed ? 'passes' : 'FAILS'} (${seconds} s)`)
  return passed
}
