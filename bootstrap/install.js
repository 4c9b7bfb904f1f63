import './require-node.js'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { buildBundle, outdatedBundles } from './build-pages.js'
import {
  formatInstallCommand,
  installationObstacle,
  installDebianPackages,
  packagesOf,
} from './debian-packages.js'
import {
  findCommand,
  formatTool,
  isPresent,
  isWritable,
  missingTools,
  obstacleOf,
} from './machine-tools.js'
import { installNpmPackages, npmPackagesAreCurrent } from './npm-packages.js'
import { projectRoot } from './project-root.js'
import { needsPages } from './set-up.js'

// Run by set-up.js under its lock, so everything is looked at again: another process may have just
// brought it.
const purpose = process.argv[2]

// What the machine must have comes before node_modules: a Node there that cannot start would shadow the
// machine's own in every later npm command.
const missing = missingTools(purpose)
const obstacle = missing.length === 0 ? undefined : installationObstacle()
const required = missing.filter((tool) => tool.optional !== true)
const optional = missing.filter((tool) => tool.optional === true)
if (required.length > 0) {
  if (obstacle !== undefined) askForTools(required)
  bringRequired(required)
}
bringNpmPackages()
if (optional.length > 0) bringOptional(optional)
if (needsPages(purpose)) bringPages()

function bringNpmPackages() {
  if (npmPackagesAreCurrent(projectRoot)) return
  if (!mayReplace('node_modules')) {
    stop(
      `node_modules is not what package-lock.json names, and this user may not write there. As ${ownerOf(projectRoot)}, please run:`,
      `  cd ${projectRoot} && npm run set-up`,
    )
  }
  say('installing npm packages')
  const result = installNpmPackages(projectRoot)
  if (!result.ok) stop('npm packages could not be installed', result.reason)
}

/** Images are served without pages too. */
function bringPages() {
  const outdated = outdatedBundles()
  if (outdated.length > 0 && !mayReplace('dist')) {
    say(
      `pages stay as they are: dist is outdated, and this user may not write there. ${ownerOf(projectRoot)} builds it:`,
      `  cd ${projectRoot} && npm run set-up`,
    )
    return
  }
  for (const bundle of outdated) {
    say(`building dist/${bundle.name}`)
    const result = buildBundle(bundle)
    if (!result.ok) say(`dist/${bundle.name} could not be built and stays as it is:`, result.reason)
  }
}

/** Whether this process may write to a directory of the checkout, or make it. */
function mayReplace(folder) {
  const path = join(projectRoot, folder)
  return isWritable(existsSync(path) ? path : projectRoot)
}

function ownerOf(path) {
  const { uid } = statSync(path)
  return uid === 0 ? 'root' : `user ${uid}`
}

function askForTools(tools) {
  const complaint = `${tools.map(formatTool).join(', ')} missing, and ${obstacle}.`
  if (findCommand('apt-get') === undefined) {
    stop(
      `${complaint} Please install what these packages of Debian bring:`,
      `  ${packagesOf(tools).join(' ')}`,
    )
  }
  stop(`${complaint} Please run:`, `  ${formatInstallCommand(packagesOf(tools))}`)
}

function bringRequired(tools) {
  const services = tools.filter((tool) => tool.startsService === true)
  const others = tools.filter((tool) => tool.startsService !== true)
  for (const [group, startServices] of [
    [others, false],
    [services, true],
  ]) {
    if (group.length === 0) continue
    const result = install(group, startServices)
    if (!result.ok) {
      stop(`apt could not install ${packagesOf(group).join(' ')}:`, result.reason)
    }
  }
  for (const tool of tools.filter((tool) => !isPresent(tool))) {
    stop(
      `${tool.debianPackage} is installed, but ${formatTool(tool)} is not there`,
      adviceFor(tool),
    )
  }
}

function adviceFor(tool) {
  return tool.startsService === true
    ? "  start Nix's daemon as root: nix-daemon"
    : `  reinstall it: apt-get install --reinstall ${tool.debianPackage}`
}

function bringOptional(tools) {
  if (obstacle !== undefined) {
    say(`no ${packagesOf(tools).join(', ')} (${obstacle}); their tests are skipped`)
    return
  }
  const free = tools.filter((tool) => {
    const obstacle = obstacleOf(tool)
    if (obstacle === undefined) return true
    say(`no ${tool.debianPackage}: ${obstacle} is used as it is`)
    return false
  })
  if (free.length === 0 || install(free, false).ok) return
  // One package that does not fit this machine must not take the others with it.
  for (const tool of free) {
    const result = installDebianPackages([tool.debianPackage], { startServices: false })
    if (!result.ok) say(`no ${tool.debianPackage}; its tests are skipped. apt says:`, result.reason)
  }
}

function install(tools, startServices) {
  const packages = packagesOf(tools)
  say(`installing with apt: ${packages.join(' ')}`)
  return installDebianPackages(packages, { startServices })
}

function say(...lines) {
  console.error(`set-up: ${lines.join('\n')}`)
}

function stop(...lines) {
  say(...lines)
  process.exit(1)
}
