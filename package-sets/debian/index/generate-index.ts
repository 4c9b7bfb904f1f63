/**
 * Run as a process of its own, so that the heap of some hundred megabytes that 60,000 packages need
 * never stays in the service:
 *
 *     generate-index.ts <apt directory> <target directory> <mirror as JSON>
 *
 * Prints one line of progress after the other; the last line on stderr says why it failed.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'

import {
  AptError,
  debianArchitectures,
  fetchPackageLists,
  preparePrivateApt,
  readListLines,
  unpackDebianPackage,
  type DebianArchitecture,
  type PackageList,
  type PrivateApt,
} from './apt.ts'
import type { DebianMirror } from './apt-sources.ts'
import { keepNewest, parseBinaryPackage, type BinaryPackage } from './binary-package.ts'
import { readControlStanzas } from './control-stanzas.ts'
import { makePackageIndex } from './package-index.ts'
import { writePackageIndex } from './write-package-index.ts'

async function generate(aptDirectory: string, target: string, mirror: DebianMirror): Promise<void> {
  const { signal } = new AbortController()
  const host: DebianArchitecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const apt = await preparePrivateApt(aptDirectory, mirror, host)
  console.log(`fetching Debian's signed package lists from ${mirror.main}`)
  const lists = await fetchPackageLists(apt, signal)
  for (const architecture of debianArchitectures) {
    const packages = await readPackages(apt, lists, architecture, signal)
    const index = makePackageIndex(packages)
    await writePackageIndex(index, join(target, 'index', architecture))
    console.log(
      `${architecture}: ${index.entries.size} packages, ${index.groups.size} cycles, ` +
        `${index.unsatisfiedCount} dependencies that Debian has no package for`,
    )
  }
  console.log('fetching the tools that unpack packages')
  await mkdir(join(aptDirectory, 'busybox'), { recursive: true })
  await unpackDebianPackage(apt, 'busybox-static', join(aptDirectory, 'busybox'), signal)
  await writeFile(join(target, 'host.json'), `${JSON.stringify({ architecture: host })}\n`)
}

async function readPackages(
  apt: PrivateApt,
  lists: readonly PackageList[],
  architecture: DebianArchitecture,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, BinaryPackage>> {
  const packages = new Map<string, BinaryPackage>()
  for (const list of lists) {
    if (list.architecture !== architecture) continue
    for await (const stanza of readControlStanzas(readListLines(apt, list, signal))) {
      const candidate = parseBinaryPackage(stanza, list.archive)
      if (candidate !== undefined) keepNewest(packages, candidate)
    }
  }
  if (packages.size === 0) throw new AptError(`the mirror has no packages for ${architecture}`)
  return packages
}

const [aptDirectory = '', target = '', mirror = ''] = process.argv.slice(2)
try {
  await generate(aptDirectory, target, JSON.parse(mirror) as DebianMirror)
} catch (error) {
  const cause = error instanceof Error && typeof error.cause === 'string' ? error.cause : ''
  const message = error instanceof AptError ? error.message : String((error as Error).stack)
  console.error(JSON.stringify({ message, cause: cause.slice(-4000) }))
  process.exitCode = 1
}
