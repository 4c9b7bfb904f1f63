/** Do the programs of the packages that Debian depends on most start? Takes about an hour on two cores. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { prepareDebianPackageSet } from './debian-package-set.ts'
import { assembleRoot } from './testing/assemble-root.ts'
import { instantiate, isNixThere, realise } from './testing/realise.ts'
import { canRunInRoot, runInRoot, type ProgramEnd } from './testing/run-in-root.ts'

const packageCount = 200
const programsPerPackage = 3
const packagesPerBuild = 25

/** Debian's naming of packages that seldom hold programs; without it thousands would be built in vain. */
const programlessPattern =
  /^(lib|fonts-|gir1\.2-|qml-|ruby-|golang-|node-|python3-|php-|r-|elpa-|texlive-|tex-|task-|tryton-|puppet-module|gstreamer1\.0-|gcc-.*-base|cpp-.*-|linux-)|-(dev|data|common|doc|dbg|headers|tasks|prof)$/

/** Programs that do not start without more than their dependencies, each with the reason. */
const exceptions: ReadonlyMap<string, string> = new Map()

const starters = ['--version', '--help', '-V', '-h', 'help', '-version']

const brokenPattern =
  /error while loading shared libraries|Can't locate \S+\.pm|ModuleNotFoundError|ImportError|bad interpreter|symbol lookup error|cannot load such file|No such file or directory.*(\.so|interpreter)/

const skip = !isNixThere()
  ? 'Nix is not installed'
  : !canRunInRoot()
    ? 'needs root and unshare(1)'
    : false

test('programs of the most depended-on packages start', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'debian-soak-'))
  try {
    const source = await prepareDebianPackageSet(
      { stateDirectory: directory },
      (line) => t.diagnostic(line),
      AbortSignal.timeout(10 * 60 * 1000),
    )
    const candidates = mostDependedOn(join(source.readablePaths[0]!, 'index/amd64/shards'))
    const failures: string[] = []
    let tried = 0
    const startedAt = performance.now()
    for (let next = 0; next < candidates.length && tried < packageCount;) {
      const names = candidates.slice(next, (next += packagesPerBuild))
      const outputs = realise(
        instantiate(
          source,
          names.map((name) => [name]),
        ),
      )
      for (const [i, name] of names.entries()) {
        const programs = programsOf(outputs[i]!, name)
        if (programs.length === 0 || tried === packageCount) continue
        tried += 1
        const root = join(directory, 'roots', name)
        assembleRoot(root, [outputs[i]!])
        failures.push(...programs.flatMap((program) => complaintOf(root, name, program)))
        rmSync(root, { recursive: true })
      }
    }
    t.diagnostic(`${tried} packages in ${Math.round((performance.now() - startedAt) / 1000)} s`)
    assert.equal(tried, packageCount)
    assert.deepEqual(failures, [])
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

function mostDependedOn(shards: string): readonly string[] {
  const counts = new Map<string, number>()
  for (const file of readdirSync(shards)) {
    const entries = JSON.parse(readFileSync(join(shards, file), 'utf8')) as Record<
      string,
      { dependencies: string[] }
    >
    for (const name of Object.values(entries).flatMap((entry) => entry.dependencies)) {
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return [...counts]
    .filter(([name]) => !programlessPattern.test(name))
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([name]) => name)
}

/** The package's namesake first. */
function programsOf(output: string, name: string): readonly string[] {
  const names = readdirSync(output).includes('bin') ? readdirSync(join(output, 'bin')) : []
  const namesakes = names.filter((each) => each === name)
  const others = names.filter((each) => each !== name).sort()
  return [...namesakes, ...others].slice(0, programsPerPackage)
}

/** Nothing, or one line that says how the program fails. */
function complaintOf(root: string, name: string, program: string): readonly string[] {
  if (exceptions.has(`${name}/${program}`)) return []
  let end: ProgramEnd | undefined
  for (const starter of starters) {
    end = runInRoot(root, [`/bin/${program}`, starter])
    if (hasStarted(end)) return []
  }
  const lastLine = end?.output.trimEnd().split('\n').at(-1) ?? ''
  return [`${name}/${program}: exit code ${end?.exitCode}: ${lastLine.slice(0, 200)}`]
}

/** Succeeded, or at least said what it wants instead. */
function hasStarted(end: ProgramEnd): boolean {
  if (brokenPattern.test(end.output)) return false
  return end.exitCode === 0 || (end.exitCode < 126 && end.output.trim() !== '')
}
