import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { findCommand } from './machine-tools.js'
import { productNode } from './npm-packages.js'
import { projectRoot } from './project-root.js'

/** Runs the product's Node with `arguments_` and takes its end as this process's own. */
export async function runNode(arguments_) {
  process.exitCode = await nodeExitCode(arguments_)
}

/** Runs the product's Node with `arguments_`; resolves to its exit code. */
export function nodeExitCode(arguments_) {
  const node = [productNode(projectRoot), ...arguments_]
  // If this process is killed without a chance to pass it on, the kernel ends the child.
  const [command, ...rest] =
    findCommand('setpriv') === undefined ? node : ['setpriv', '--pdeathsig', 'TERM', '--', ...node]
  const child = spawn(command, rest, {
    // Its own process group: a terminal's Ctrl-C reaches it once, through here, and not three times
    // (from the terminal, from npm and from here).
    detached: true,
    stdio: 'inherit',
    env: { NODE_COMPILE_CACHE: compileCache, ...process.env, PATH: productPath() },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) forwardSignal(signal, child)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}

/**
 * Whether nixery.sh has started this process as `nodeExitCode` starts a child: threads get the cache of
 * code from the environment alone.
 */
export function isProductNode() {
  return (
    process.env.NODE_COMPILE_CACHE !== undefined &&
    process.execPath === realpathSync(productNode(projectRoot))
  )
}

// As in nixery.sh, which says why.
const compileCache = join(projectRoot, 'node_modules', '.cache', 'node')

/** The PATH with the project's own commands first, so that their `env node` is the product's Node. */
function productPath() {
  return [join(projectRoot, 'node_modules', '.bin'), process.env.PATH].join(delimiter)
}

function forwardSignal(signal, child) {
  let forwardedAtMs = -Infinity
  process.on(signal, () => {
    const nowMs = performance.now()
    if (nowMs - forwardedAtMs < sameKeyPressMs) return
    forwardedAtMs = nowMs
    child.kill(signal)
  })
}

// The terminal and npm both deliver one Ctrl-C within this time; a person's second one comes later.
const sameKeyPressMs = 300
