/** Do the programs of the packages that Debian depends on most start? Takes half an hour on two cores. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { prepareDebianPackageSet } from './debian-package-set.ts'
import { assembleRoot } from './testing/assemble-root.ts'
import { instantiate, isNixThere, realise } from './testing/realise.ts'
import { canRunInRoot } from './testing/run-in-root.ts'
import { programsOf, startProgram } from './testing/start-program.ts'

const packageCount = 200
const programsPerPackage = 3
const packagesPerBuild = 25

/** Debian's naming of packages that seldom hold programs; without it thousands would be built in vain. */
const programlessPattern =
  /^(lib|fonts-|gir1\.2-|qml-|ruby-|golang-|node-|python3-|php-|r-|elpa-|texlive-|tex-|task-|tryton-|puppet-module|gstreamer1\.0-|gcc-.*-base|cpp-.*-|linux-)|-(dev|data|common|doc|dbg|headers|tasks|prof)$/

/**
 * Programs that do not start from their dependencies alone, each with the reason. Those that ask dpkg
 * or want /bin/sh would start on a Debian system; most others need a package that Debian only
 * recommends or suggests.
 */
const perlModules = 'wants Getopt::Std of perl, and its package brings the essential perl-base only'
const dpkg = 'asks dpkg, which only manages packages and is in no image'
const exceptions: ReadonlyMap<string, string> = new Map([
  ['mkdocs/dh_mkdocs', 'a part of debhelper, which mkdocs only suggests'],
  ['samtools/blast2sam.pl', perlModules],
  ['vdr/svdrpsend', perlModules],
  ['xml-core/dh_installxmlcatalogs', 'a part of debhelper, which xml-core only suggests'],
  ['devscripts/archpath', 'calls tla, which Debian no longer has'],
  ['python3.11/pdb3.11', 'names env python3, which another package provides'],
  ['python3.11/pygettext3.11', 'names env python3, which another package provides'],
  [
    'lsb-release/lsb_release',
    'calls getopt of util-linux, which would bring PAM and systemd’s libraries to every shell script',
  ],
  ['rsync/rrsync', 'written in Python, which rsync only suggests'],
  ['sensible-utils/sensible-editor', 'starts an editor, and its package brings none'],
  [
    'monodoc-manual/monodoc-http',
    'ends with a TypeLoadException in Mono.WebServer.XSP; whether a Debian system does is not known',
  ],
  ['sensible-utils/select-editor', 'asks update-alternatives, which is a part of dpkg'],
  ['med-config/med-config', dpkg],
  ['pan-config/pan-config', dpkg],
  ['science-config/science-config', dpkg],
  ['bash/bashbug', 'wants /bin/sh, which only an image has: bash is built before any shell'],
  ['debianutils/savelog', 'wants /bin/sh, which only an image has: see bash'],
])

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
        const programs = programsOf(outputs[i]!, name).slice(0, programsPerPackage)
        if (programs.length === 0 || tried === packageCount) continue
        tried += 1
        const root = join(directory, 'roots', name)
        assembleRoot(root, [outputs[i]!])
        for (const program of programs) {
          const complaint = exceptions.has(`${name}/${program}`)
            ? undefined
            : startProgram(root, program)
          if (complaint !== undefined) failures.push(`${name}/${program}: ${complaint}`)
        }
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
