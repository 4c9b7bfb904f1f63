import { spawnSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { outdatedBundles } from './build-pages.js'
import { installationObstacle } from './debian-packages.js'
import { findCommand, missingTools, obstacleOf } from './machine-tools.js'
import { npmPackagesAreCurrent } from './npm-packages.js'
import { projectRoot } from './project-root.js'

/**
 * Brings what `purpose` needs, or ends the process with a line that says what to do. With everything in
 * place it only looks, which takes milliseconds.
 */
export function setUp(purpose) {
  if (isSetUp(purpose)) return { installed: false }
  const install = [process.execPath, join(projectRoot, 'bootstrap', 'install.js'), purpose]
  const [command, ...rest] = [...lock(), ...install]
  const result = spawnSync(command, rest, { stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.status !== 0) process.exit(result.status ?? 1)
  return { installed: true }
}

function isSetUp(purpose) {
  return (
    npmPackagesAreCurrent(projectRoot) &&
    missingTools(purpose).every(isHopeless) &&
    (!needsPages(purpose) || outdatedBundles().length === 0)
  )
}

/** Whether `purpose` runs the service, which shows what is built into `dist/`. */
export function needsPages(purpose) {
  return purpose === 'serve' || purpose === 'test'
}

/** An optional tool that this process cannot install: its tests say so themselves. */
function isHopeless(tool) {
  return (
    tool.optional === true &&
    (obstacleOf(tool) !== undefined || installationObstacle() !== undefined)
  )
}

/**
 * The start of a command line that holds the lock of this checkout: two commands started together must
 * not install over each other. The kernel drops it with its process, so a killed set-up leaves nothing
 * behind. Nothing for somebody who may not write to the checkout, and so installs nothing there.
 */
function lock() {
  if (findCommand('flock') === undefined) return []
  const folder = join(projectRoot, '.state')
  const path = join(folder, 'set-up.lock')
  try {
    mkdirSync(folder, { recursive: true })
    closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT))
    return ['flock', path]
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error
    return []
  }
}
