import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDebianRoot, mustRun, outsideCertificates } from '#test/fresh/debian-root.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const minuteMs = 60_000

// Packages of an older one are upgraded by nobody, and Debian's mirrors drop what they are replaced with.
const freshMs = 7 * 24 * 60 * minuteMs

/**
 * The root of a Debian 12 as an archive for `docker import`, with the apt sources and certificates of
 * this machine. It is kept between runs, because making it takes minutes.
 */
export async function makeDebianBase(): Promise<string> {
  const archive = join(projectRoot, '.state', 'debian-base.tar')
  if (existsSync(archive) && Date.now() - (await stat(archive)).mtimeMs < freshMs) return archive
  // Not below /tmp, which may be mounted without devices or programs, or in memory.
  const directory = await mkdtemp('/var/tmp/nixery-base-')
  try {
    const root = join(directory, 'root')
    await makeDebianRoot(root)
    const certificates = join(root, 'usr/local/share/ca-certificates')
    await mkdir(certificates, { recursive: true })
    await copyFile(outsideCertificates, join(certificates, 'outside.crt'))
    await mustRun('chroot', [root, 'apt-get', 'clean'])
    const packed = join(directory, 'base.tar')
    const what = ['--one-file-system', '--numeric-owner', `--directory=${root}`, '.']
    await mustRun('tar', ['--create', `--file=${packed}`, ...what], 5 * minuteMs)
    await mkdir(join(projectRoot, '.state'), { recursive: true })
    // Another file system may hold /var/tmp, so it gets its name only when it is there as a whole.
    await copyFile(packed, `${archive}.unfinished`)
    await rename(`${archive}.unfinished`, archive)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  return archive
}
