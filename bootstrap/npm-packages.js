import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * npm writes `node_modules/.package-lock.json` as the last step of an installation, so it tells both
 * that the installation was finished and what it brought. Packages that are optional may be missing:
 * they are for other platforms.
 */
export function npmPackagesAreCurrent(root) {
  const wanted = readPackages(join(root, 'package-lock.json'))
  const installed = readPackages(join(root, 'node_modules', '.package-lock.json'))
  if (wanted === undefined) throw new Error('package-lock.json is missing; restore it with git')
  if (installed === undefined || !existsSync(productNode(root))) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true
    const found = installed[path]
    if (found === undefined) return entry.optional === true
    return found.version === entry.version && found.integrity === entry.integrity
  })
}

/** The Node that runs the product: it comes from npm, the machine's own only runs this folder. */
export function productNode(root) {
  return join(root, 'node_modules', '.bin', 'node')
}

export function installNpmPackages(root) {
  // npm tells its scripts where it is itself; a bare `npm` is for `node bootstrap/….js` typed by hand.
  const npm = process.env.npm_execpath
  const arguments_ = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']
  const [command, ...prefix] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm']
  const result = spawnSync(command, [...prefix, ...arguments_, '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: maxOutputBytes,
  })
  if (result.error !== undefined) return { ok: false, reason: `npm: ${result.error.message}` }
  if (result.status !== 0) return { ok: false, reason: lastLines(result.stdout + result.stderr) }
  if (!existsSync(productNode(root))) {
    return {
      ok: false,
      reason: `npm has no Node for ${process.platform}-${process.arch}; linux on x64 or arm64 is needed`,
    }
  }
  return { ok: true }
}

// Room for the noisiest installation; only its end is ever shown.
export const maxOutputBytes = 64 * 1024 * 1024

export function lastLines(text, count = 8) {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}

function readPackages(path) {
  if (!existsSync(path)) return undefined
  return JSON.parse(readFileSync(path, 'utf8')).packages
}
