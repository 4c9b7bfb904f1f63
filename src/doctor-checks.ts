import { randomUUID } from 'node:crypto'
import { access, constants, mkdtemp, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises'
import type { StatsFs } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir, totalmem, availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import { openNix, type Nix } from '#adapters/nix/nix.ts'
import { firstMendedNix, lacksSecurityFixes, probeNix } from '#adapters/nix/probe-nix.ts'
import type { DoctorCheck, Finding } from '#apps/cli/run-doctor.ts'
import { formatByteSize } from '#apps/cli/byte-size.ts'
import { formatAge } from '#apps/cli/duration.ts'
import { newestDebianPackageSet } from '#package-sets/debian/debian-package-set.ts'
import { findMachineMirror } from '#package-sets/debian/index/apt.ts'
import { findIdleSettings, type Config } from './config.ts'
import { nixOptions } from './open-nix.ts'
import { openSources, servesOnlyBundled } from './open-sources.ts'
import { describeStorage, openStorage } from './open-storage.ts'

/** What `nixery doctor` looks at. */
export function doctorChecks(config: Config): readonly DoctorCheck[] {
  return [
    { subject: 'settings', run: async () => checkSettings(config) },
    { subject: 'Nix', run: (signal) => checkNix(config, signal) },
    { subject: 'sandbox', run: (signal) => checkSandbox(config, signal) },
    {
      subject: 'state',
      run: () => checkDirectory('NIXERY_STATE_DIRECTORY', config.stateDirectory),
    },
    { subject: 'storage', run: (signal) => checkStorage(config, signal) },
    { subject: 'disk', run: () => checkDisks(config) },
    { subject: 'packages', run: (signal) => checkSources(config, signal) },
    { subject: 'binary caches', run: (signal) => checkCaches(config, signal) },
    { subject: 'clock', run: (signal) => checkClock(config, signal) },
    { subject: 'port', run: (signal) => checkPort(config, signal) },
    { subject: 'machine', run: async () => checkMachine(config) },
  ]
}

function ok(message: string): Finding {
  return { level: 'ok', message }
}

function warn(message: string, mend: string): Finding {
  return { level: 'warn', message, mend }
}

function fail(message: string, mend: string): Finding {
  return { level: 'fail', message, mend }
}

/** What strangers could use, and what has no effect. */
function checkSettings(config: Config): readonly Finding[] {
  const idle =
    config.sourcesFile === undefined ? findIdleSettings(config, [config.source.kind]) : []
  const findings = idle.map((name) => warn(`${name} changes nothing here`, `unset ${name}`))
  if (config.policy.maxClosureBytes === undefined)
    findings.push(
      warn(
        'images may be as large as anybody asks for',
        'set NIXERY_MAX_CLOSURE_MIB if strangers reach the service',
      ),
    )
  return findings.length > 0 ? findings : [ok('understood, none is without effect')]
}

async function checkNix(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const { version, access: storeAccess } = await probeNix(nixOptions(config), signal)
  const how = storeAccess === 'daemon' ? 'through its daemon' : 'by itself'
  const found = ok(`Nix ${version}, which this user reaches ${how}`)
  const old = lacksSecurityFixes(version)
    ? [
        warn(
          `Nix ${version} lacks security fixes of later versions`,
          `install Nix ${firstMendedNix} or newer, or serve only people and package sets that you trust`,
        ),
      ]
    : []
  return [found, ...old, ...(storeAccess === 'local' ? await checkStore() : [])]
}

/** Only without a daemon: it writes for others. */
async function checkStore(): Promise<readonly Finding[]> {
  const directories = ['/nix/store', '/nix/var/nix/db']
  const denied = await filterAsync(directories, async (path) => !(await mayWrite(path)))
  return denied.map((path) =>
    fail(
      `${path} cannot be written`,
      `give it to the user of the service (chown), or run nix-daemon as its owner`,
    ),
  )
}

async function checkSandbox(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const nix = await openNix(nixOptions(config))
  const value = (await readNixSettings(nix, signal)).get('sandbox')
  if (value === 'true') return [ok('builders are shut in')]
  return [
    warn(
      value === 'relaxed'
        ? 'some builders may leave their sandbox (sandbox = relaxed)'
        : 'builders see the machine and its network (sandbox = false)',
      'set sandbox = true in nix.conf, where user namespaces allow it',
    ),
  ]
}

/** Names and values of nix.conf as Nix understands it. */
async function readNixSettings(
  nix: Nix,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const text = await nix.query(
    {
      command: 'nix',
      // Nix 2.20 has another name for it and knows this one still.
      args: ['--extra-experimental-features', 'nix-command', 'show-config'],
      timeoutMs: 15_000,
      stdoutLimitBytes: 1024 * 1024,
    },
    signal,
  )
  const lines = text.split('\n').map((line) => /^(\S+) = (.*)$/.exec(line))
  return new Map(lines.flatMap((match) => (match ? [[match[1]!, match[2]!] as const] : [])))
}

async function checkStorage(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const { storage } = config
  if (storage.kind === 'filesystem') return checkDirectory('STORAGE_PATH', storage.directory)
  // Uploads on their way lie there, and the state directory need not be there yet.
  const stateDirectory = await mkdtemp(join(tmpdir(), 'nixery-doctor-'))
  try {
    const opened = await openStorage({ ...config, stateDirectory })
    try {
      const skewMs = Math.abs((await opened.upkeep.nowMs(signal)) - Date.now())
      return [
        ok(`${describeStorage(storage)} can be read and written`),
        ...(skewMs > mostSkewMs ? [clockSkew(skewMs, describeStorage(storage))] : []),
      ]
    } finally {
      await opened.close()
    }
  } finally {
    await rm(stateDirectory, { recursive: true, force: true })
  }
}

/** Whether a directory that a setting names can be used, or made. */
async function checkDirectory(setting: string, path: string): Promise<readonly Finding[]> {
  const existing = await nearestDirectory(path)
  if (!(await stat(existing)).isDirectory())
    return [fail(`${existing} is a file`, `set ${setting} to a directory`)]
  if (!(await mayWrite(existing)))
    return [
      fail(
        `${existing} cannot be written by this user`,
        `give it to the user of the service, or set ${setting} to another directory`,
      ),
    ]
  if (existing !== path) return [ok(`${path} will be made in ${existing}`)]
  // Read-only mounts and full disks show only when something is written.
  const probe = join(path, `.doctor-${randomUUID()}`)
  try {
    await writeFile(probe, 'nixery doctor', { flag: 'wx', flush: true })
    return [ok(`${path} can be written`)]
  } catch (error) {
    return [
      fail(
        `${path} cannot be written: ${describeError(error)}`,
        `free space there, or set ${setting} to another directory`,
      ),
    ]
  } finally {
    await rm(probe, { force: true })
  }
}

async function nearestDirectory(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found !== undefined || dirname(path) === path ? path : nearestDirectory(dirname(path))
}

function mayWrite(path: string): Promise<boolean> {
  return access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
}

// An image of some size takes as much twice: in the Nix store and in the storage.
const scarceBytes = 5 * 2 ** 30
const leastBytes = 2 ** 30
const scarceShare = 0.05

async function checkDisks(config: Config): Promise<readonly Finding[]> {
  const { storage } = config
  const paths = new Map([
    ['the Nix store', '/nix/store'],
    ['the state directory', config.stateDirectory],
    ...(storage.kind === 'filesystem' ? [['the storage', storage.directory] as const] : []),
    ['temporary files', tmpdir()],
  ])
  const findings = new Map<number, Finding>()
  for (const [what, path] of paths) {
    const existing = await nearestDirectory(path)
    const { dev } = await stat(existing)
    // Once for each file system: the first of them speaks for the others.
    if (!findings.has(dev)) findings.set(dev, describeDisk(what, existing, await statfs(existing)))
  }
  return [...findings.values()]
}

function describeDisk(what: string, path: string, disk: StatsFs): Finding {
  const freeBytes = disk.bavail * disk.bsize
  const message = `${formatByteSize(freeBytes)} free for ${what} (${path})`
  const mend = 'free space there: nixery gc, nix-collect-garbage, or a larger disk'
  if (freeBytes < leastBytes) return fail(message, mend)
  if (freeBytes < scarceBytes) return warn(message, mend)
  // File systems that make inodes by need say that they have none.
  if (disk.files > 0 && disk.ffree / disk.files < scarceShare)
    return warn(`${disk.ffree} inodes are left for ${what} (${path})`, mend)
  return ok(message)
}

/** Asks each source for `latest`, and the mirror of the bundled set for its newest state. */
async function checkSources(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
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
  const reached = await reach(mirror && new URL('dists/', withSlash(mirror)), signal)
  const mend =
    'check the network and proxy, or name a mirror in NIXERY_DEBIAN_MIRROR; what is there already is served meanwhile'
  return [
    stored === undefined
      ? warn(
          'the index of the bundled set is not made yet',
          'nothing: the first start makes it, which takes some minutes',
        )
      : ok(`the bundled set is ${formatAge(Date.now() - stored.preparedAtMs)} old`),
    mirror === undefined
      ? warn('no Debian mirror is known', 'name one in NIXERY_DEBIAN_MIRROR')
      : reached.kind === 'answer'
        ? ok('the Debian mirror answers')
        : stored === undefined
          ? fail(`the Debian mirror does not answer: ${reached.message}`, mend)
          : warn(`the Debian mirror does not answer: ${reached.message}`, mend),
  ]
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
  return Promise.all(
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
        return fail(
          `${what}: ${describeError(error)}`,
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

async function checkCaches(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const urls = await listCaches(config, signal)
  if (urls.length === 0) {
    return [
      servesOnlyBundled(config)
        ? ok('none is needed: the bundled set is in nobody’s cache')
        : warn('none is configured', 'set NIXERY_SUBSTITUTERS, or everything is built from source'),
    ]
  }
  const mend =
    'check the address and the network, or take it out of NIXERY_SUBSTITUTERS or nix.conf: every build waits for it'
  return Promise.all(
    urls.map(async (url) => {
      const reached = await reach(new URL('nix-cache-info', withSlash(url)), signal)
      if (reached.kind === 'silence') return warn(`${url}: ${reached.message}`, mend)
      if (reached.status === 401 || reached.status === 403)
        return config.caches.netrcFile === undefined
          ? warn(`${url} wants a login`, 'give it in NIXERY_NETRC')
          : ok(`${url} answers and wants the login of NIXERY_NETRC`)
      return reached.status < 400
        ? ok(`${url} answers`)
        : warn(`${url} is no binary cache: it answers ${reached.status}`, mend)
    }),
  )
}

/** Those that are asked for packages and can be looked at from here; never for the bundled set alone. */
async function listCaches(config: Config, signal: AbortSignal): Promise<readonly string[]> {
  const own = config.caches.substituters
  if (servesOnlyBundled(config)) return own.filter(isHttp)
  const nix = await openNix(nixOptions(config))
  const settings = await readNixSettings(nix, signal)
  const all = `${settings.get('substituters') ?? ''} ${own.join(' ')}`.split(/\s+/)
  return [...new Set(all)].filter(isHttp)
}

function isHttp(url: string): boolean {
  return /^https?:\/\//.test(url) && URL.canParse(url)
}

// Signed requests to buckets are refused from five minutes on, and some certificates are young.
const mostSkewMs = 60_000

function clockSkew(skewMs: number, beside: string): Finding {
  return fail(
    `the clock differs by ${formatAge(skewMs)} from that of ${beside}`,
    'set the clock: timedatectl set-ntp true, or see why it is not kept',
  )
}

/** Compares with the first server that says what time it has. */
async function checkClock(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const mirror = config.debianMirror.main ?? (await findMachineMirror())?.main
  const servers = [...config.caches.substituters.filter(isHttp), ...(mirror ? [mirror] : [])]
  for (const server of servers) {
    const reached = await reach(new URL(withSlash(server)), signal)
    const theirs = reached.kind === 'answer' ? Date.parse(reached.date ?? '') : Number.NaN
    if (Number.isNaN(theirs)) continue
    const skewMs = Math.abs(theirs - Date.now())
    const { host } = new URL(server)
    return [skewMs > mostSkewMs ? clockSkew(skewMs, host) : ok(`agrees with that of ${host}`)]
  }
  const { mtimeMs } = await stat(import.meta.filename)
  return [
    Date.now() < mtimeMs
      ? fail('the clock is before the time of this program’s own files', 'set the clock')
      : ok('looks right; no server says what time it has'),
  ]
}

type Reached =
  | { readonly kind: 'answer'; readonly status: number; readonly date: string | null }
  | { readonly kind: 'silence'; readonly message: string }

async function reach(url: URL | undefined | '', signal: AbortSignal): Promise<Reached> {
  if (!url) return { kind: 'silence', message: 'there is no address' }
  try {
    const until = AbortSignal.any([signal, AbortSignal.timeout(10_000)])
    const response = await fetch(url, { method: 'GET', signal: until })
    await response.body?.cancel()
    return { kind: 'answer', status: response.status, date: response.headers.get('date') }
  } catch (error) {
    return { kind: 'silence', message: describeError(error) }
  }
}

function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`
}

/** Takes the port for a moment, or asks who has it. */
async function checkPort(config: Config, signal: AbortSignal): Promise<readonly Finding[]> {
  const { port, host } = config
  const setting = host === undefined ? `PORT=${port}` : `PORT=${port} of NIXERY_HOST=${host}`
  const server = createServer()
  try {
    server.listen({ port, ...(host !== undefined && { host }) })
    await once(server, 'listening', { signal })
    return [ok(`${setting} is free`)]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return [await describeOwner(port, host ?? 'localhost', signal)]
    return [
      fail(
        `${setting} cannot be taken: ${describeError(error)}`,
        code === 'EACCES'
          ? 'choose a port from 1024 on, or give the service CAP_NET_BIND_SERVICE'
          : 'name an address of this machine in NIXERY_HOST',
      ),
    ]
  } finally {
    server.close()
  }
}

async function describeOwner(port: number, host: string, signal: AbortSignal): Promise<Finding> {
  const isIpv6 = host.includes(':')
  const address = `http://${isIpv6 ? `[${host}]` : host}:${port}/v2/`
  const until = AbortSignal.any([signal, AbortSignal.timeout(5_000)])
  const response = await fetch(address, { signal: until }).catch(() => undefined)
  await response?.body?.cancel()
  const isRegistry = response?.headers.has('docker-distribution-api-version') === true
  if (isRegistry) return ok(`a registry serves at PORT=${port} already`)
  return fail(
    `PORT=${port} is taken by something that is no registry`,
    'set PORT to a free port, or end what has it (ss -ltnp shows it)',
  )
}

const leastMemory = 512 * 2 ** 20
const usualMemory = 2 ** 30

async function checkMachine(config: Config): Promise<readonly Finding[]> {
  const limit = process.constrainedMemory()
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  const cores = availableParallelism()
  const text = `${formatByteSize(memory)} of memory, ${cores} cores, ${config.packThreads} threads that compress`
  const mend = 'give it more memory: evaluating nixpkgs alone takes several hundred megabytes'
  const findings = [
    memory < leastMemory ? fail(text, mend) : memory < usualMemory ? warn(text, mend) : ok(text),
  ]
  if (config.packThreads > 2 * cores)
    findings.push(
      warn(
        'more threads compress than there are cores, which takes memory and gains nothing',
        'unset NIXERY_PACK_THREADS',
      ),
    )
  const files = await softFileLimit()
  if (files !== undefined && files < leastFiles)
    findings.push(
      warn(`only ${files} files may be open at once`, 'raise the limit: ulimit -n, LimitNOFILE='),
    )
  return findings
}

// A connection takes one, and an image that is packed some dozens.
const leastFiles = 1024

async function softFileLimit(): Promise<number | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const [, soft] = /^Max open files\s+(\d+)/m.exec(text) ?? []
  return soft === undefined ? undefined : Number(soft)
}

async function filterAsync<T>(
  items: readonly T[],
  isWanted: (item: T) => Promise<boolean>,
): Promise<readonly T[]> {
  const wanted = await Promise.all(items.map(isWanted))
  return items.filter((_, index) => wanted[index])
}
