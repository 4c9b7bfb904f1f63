import './require-node.js'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { lastLines, maxOutputBytes, productNode } from './npm-packages.js'
import { projectRoot } from './project-root.js'

/**
 * What is built of sources before the service can show it, each into `dist/<name>`.
 *
 * - `inputs`: files and directories that decide the result, below the project; without them (as in an
 *   installation that brings `dist/` alone) nothing is built
 * - `command`: arguments of the product's Node for an output directory, run in the project
 */
export const bundles = [
  {
    name: 'docs',
    inputs: [
      'docs',
      'site',
      'web/public/icon.svg',
      'web/page/theme.ts',
      'web/palette.css',
      'package-lock.json',
    ],
    command: (output) => [
      'node_modules/@11ty/eleventy/cmd.cjs',
      '--config=site/eleventy.config.js',
      `--output=${output}`,
      '--quiet',
    ],
  },
  {
    name: 'web',
    inputs: ['web', 'src/core', 'package-lock.json'],
    command: (output) => [
      'node_modules/vite/bin/vite.js',
      'build',
      '--config=web/vite.config.ts',
      '--configLoader=native',
      `--outDir=../${output}`,
      '--logLevel=warn',
    ],
  },
]

/** The bundles whose inputs are others than those that they were built of. Reads all inputs: some milliseconds. */
export function outdatedBundles(root = projectRoot, all = bundles) {
  return all.filter(
    (bundle) =>
      bundle.inputs.every((path) => existsSync(join(root, path))) &&
      readFingerprint(root, bundle) !== fingerprintOf(root, bundle),
  )
}

/** Builds beside what is there, which is replaced at the end and at once. */
export function buildBundle(bundle, root = projectRoot) {
  // Before the build: inputs that change meanwhile make it outdated.
  const fingerprint = fingerprintOf(root, bundle)
  const output = join('dist', bundle.name)
  const unfinished = join('dist', `.unfinished-${bundle.name}`)
  const before = join('dist', `.before-${bundle.name}`)
  const removeBoth = () => {
    for (const path of [unfinished, before])
      rmSync(join(root, path), { recursive: true, force: true })
  }
  try {
    removeBoth()
    mkdirSync(join(root, unfinished), { recursive: true })
    const result = spawnSync(productNode(root), bundle.command(unfinished), {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
      maxBuffer: maxOutputBytes,
      timeout: buildTimeoutMs,
    })
    if (result.error !== undefined) return { ok: false, reason: result.error.message }
    if (result.status !== 0)
      return { ok: false, reason: lastLines(result.stdout + result.stderr, 20) }
    if (existsSync(join(root, output))) renameSync(join(root, output), join(root, before))
    renameSync(join(root, unfinished), join(root, output))
    writeFileSync(join(root, fingerprintPath(bundle)), fingerprint)
    removeBoth()
    return { ok: true }
  } catch (error) {
    // A checkout that this user may not write to.
    return { ok: false, reason: error.message }
  }
}

// Ten times what the larger one takes on a small machine.
const buildTimeoutMs = 300_000

function fingerprintPath({ name }) {
  return join('dist', `${name}.fingerprint`)
}

function readFingerprint(root, bundle) {
  const path = join(root, fingerprintPath(bundle))
  return existsSync(path) && existsSync(join(root, 'dist', bundle.name))
    ? readFileSync(path, 'utf8')
    : undefined
}

function fingerprintOf(root, { inputs, command }) {
  const digest = createHash('sha256').update(JSON.stringify(command('')))
  for (const path of inputs.flatMap((input) => filesBelow(root, input))) {
    const content = readFileSync(join(root, path))
    digest.update(`${path}\0${content.length}\0`).update(content)
  }
  return digest.digest('hex')
}

function filesBelow(root, path) {
  if (statSync(join(root, path)).isFile()) return [path]
  return (
    readdirSync(join(root, path))
      .sort()
      .map((name) => join(path, name))
      // Editors mark a file that they have open with a link to nowhere.
      .filter((each) => existsSync(join(root, each)))
      .flatMap((each) => filesBelow(root, each))
  )
}
