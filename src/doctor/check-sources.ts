import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { formatAge } from '#apps/cli/duration.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import { newestDebianPackageSet } from '#package-sets/debian/debian-package-set.ts'
import { findMachineMirror, release } from '#package-sets/debian/index/apt.ts'
import type { Config } from '../config.ts'
import { openSources, servesOnlyBundled } from '../open-sources.ts'
import { nearestDirectory } from './check-directory.ts'
import { explain, fail, ok, warn } from './finding.ts'
import { reach, withoutLogin, withSlash } from './reach.ts'

/** Asks each source for `latest`, and the mirror of the bundled set for its newest state. */
export async function checkSources(
  config: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const { stateDirectory } = config
  const isThere = (await nearestDirectory(stateDirectory)) === stateDirectory
  const stored = isThere ? await newestDebianPackageSet(stateDirectory) : undefined
  const servesBundled = config.sourcesFile === undefined && config.source.kind === 'bundled'
  if (servesBundled) findings.push(...(await checkBundledSet(config, stored, signal)))
  if (servesOnlyBundled(config)) return findings
  if (config.sourcesFile !== undefined && stored === undefined)
    findings.push(
      warn(
        'the index of the bundled set is not made yet, so no source of the file is asked',
        'start the service once; it makes the index',
      ),
    )
  else findings.push(...(await pinSources(config, signal)))
  return findings
}

async function checkBundledSet(
  config: Config,
  stored: Awaited<ReturnType<typeof newestDebianPackageSet>>,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const mirror = config.debianMirror.main ?? (await findMachineMirror())?.main
  return [
    stored === undefined
      ? warn(
          'the index of the bundled set is not made yet',
          'nothing: the first start makes it, which takes some minutes',
        )
      : ok(`the bundled set is ${formatAge(Date.now() - stored.preparedAtMs)} old`),
    mirror === undefined
      ? (stored === undefined ? fail : warn)(
          'no Debian mirror is known',
          'name one in NIXERY_DEBIAN_MIRROR',
        )
      : await checkMirror(mirror, stored === undefined ? fail : warn, signal),
  ]
}

async function checkMirror(
  mirror: string,
  complain: typeof fail,
  signal: AbortSignal,
): Promise<Finding> {
  const file = `dists/${release}/InRelease`
  const reached = await reach(new URL(file, withSlash(mirror)), signal)
  const shown = withoutLogin(mirror)
  if (reached.kind === 'silence')
    return complain(
      `the Debian mirror ${shown} does not answer: ${reached.message}`,
      'check the network and proxy, or name a mirror in NIXERY_DEBIAN_MIRROR; what is there already is served meanwhile',
    )
  // apt may have a login that is its own.
  return reached.status < 400 || reached.status === 401
    ? ok(`the Debian mirror ${shown} answers`)
    : complain(
        `${shown} is no Debian mirror: it answers ${reached.status} for ${file}`,
        'name one in NIXERY_DEBIAN_MIRROR, with its login if it wants one',
      )
}

async function pinSources(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  // Nobody is answered from memory, and nothing is logged: the findings say it.
  await using stack = new AsyncDisposableStack()
  const stateDirectory = await existingState(config, stack)
  const asking = {
    ...config,
    stateDirectory,
    origins: { ...config.origins, pinTtlMs: 0 },
    refreshMs: 0,
  }
  await using opened = await openSources(asking, pino({ level: 'silent' }), signal)
  const named = [...opened.sources].filter(([name]) => name !== '' || opened.sources.size === 1)
  // Awaited here: what is opened stays open as long as the sources are asked.
  return await Promise.all(
    named.map(async ([name, source], index) => {
      const what = opened.descriptions[index] ?? name
      try {
        const pin = await source.pin('latest', signal)
        if (pin.kind !== 'pinned')
          return fail(`${what}: ${pin.message}`, 'mend the branch or channel that is configured')
        const { revision, staleSinceMs } = pin.pinned
        return staleSinceMs === undefined
          ? ok(`${what} is at ${revision}`)
          : warn(
              `${what} cannot be reached; ${revision} is what was found last`,
              'check the network, the address and the login (NIXERY_NETRC, NIXERY_GIT_TOKEN_FILE)',
            )
      } catch (error) {
        signal.throwIfAborted()
        const { message, mend } = explain(error)
        return fail(
          `${what}: ${message}`,
          mend ??
            'check the address, the network and the login (NIXERY_NETRC, NIXERY_GIT_TOKEN_FILE)',
        )
      }
    }),
  )
}

/** Nothing is made where the service will have its files: what is asked is kept apart, and removed. */
async function existingState(
  { stateDirectory }: Config,
  stack: AsyncDisposableStack,
): Promise<string> {
  if ((await nearestDirectory(stateDirectory)) === stateDirectory) return stateDirectory
  const directory = await mkdtemp(join(tmpdir(), 'nixery-doctor-'))
  // A git that was ended may write for a moment more: that is no fault to tell of.
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 10 }))
  return directory
}
