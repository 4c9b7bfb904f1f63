import { findProgram } from '#adapters/process/find-program.ts'
import { endWithParent, runProcess, type ProcessEnd } from '#adapters/process/run-process.ts'
import type { Credential } from '#core/request/netrc.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { hideCredentials } from './repository-url.ts'

// Everything else of the service's environment stays outside: GIT_DIR and its like would lead git to
// other repositories.
const passedOn = [
  'PATH',
  'HOME',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
  'SSH_AUTH_SOCK',
  'GIT_SSH',
  'GIT_SSH_COMMAND',
  'GIT_SSH_VARIANT',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  'GIT_SSL_CERT',
  'GIT_SSL_KEY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
] as const

const settings = [
  // Helpers of remote protocols that run commands named in a URL.
  'protocol.ext.allow=never',
  // Nothing of a repository or a user starts programs beside the ones that transport needs.
  'core.fsmonitor=false',
  'core.hooksPath=/dev/null',
  'submodule.recurse=false',
  // Housekeeping is called by name, never left behind in the background.
  'gc.auto=0',
  'gc.autoDetach=false',
  'maintenance.auto=false',
  // An HTTP server that sends next to nothing for a minute is down.
  'http.lowSpeedLimit=10',
  'http.lowSpeedTime=60',
]

/** Answers git's questions for one origin from the environment, and keeps nothing. */
const credentialHelper =
  '!f() { test "$1" != get || printf "username=%s\\npassword=%s\\n" "$NIXERY_GIT_USERNAME" "$NIXERY_GIT_PASSWORD"; }; f'

/** Programs of git 2.39 end at once when they are asked to; their children may need a moment. */
const killGraceMs = 5_000

/** Names of a hundred thousand branches and tags. */
const stdoutLimitBytes = 32 * 1024 * 1024

/** What a git process runs with beside its arguments. */
export interface GitSetting {
  /** The environment of the service, of which an allow-list is passed on. */
  readonly inherited: Readonly<NodeJS.ProcessEnv>
  /** Sent to this origin alone, when it asks. */
  readonly login?: { readonly origin: string; readonly credential: Credential }
}

export interface GitCommand {
  readonly args: readonly string[]
  readonly timeoutMs: number
  /** Settings of this command, as `name=value`. They are seen by every user of the machine. */
  readonly config?: readonly string[]
  /** Has git tell what it does on stderr, one JSON object a line. */
  readonly traced?: boolean
  readonly lock?: GitLock
}

/** What keeps processes of ours from changing a repository at the same time. */
export interface GitLock {
  /** A file whose lock is held while the command runs; the kernel gives it back. */
  readonly path: string
  /** The repository, which nothing else changes: a lock file of git's own is of one that was killed. */
  readonly directory: string
}

/** Runs the git program; it can ask nobody anything. How it ends is for the caller to judge. */
export async function runGit(
  { inherited, login }: GitSetting,
  { args, timeoutMs, config = [], traced = false, lock }: GitCommand,
  signal: AbortSignal,
): Promise<ProcessEnd> {
  const configured = [...settings, ...config].flatMap((setting) => ['-c', setting])
  const git = ['git', ...configured, ...args]
  const locked = await boundToService(inherited, lock === undefined ? git : underLock(lock, git))
  return runProcess(
    {
      command: locked[0]!,
      args: locked.slice(1),
      environment: new Map([
        ...gitEnvironment(inherited, login),
        ...(traced ? [['GIT_TRACE2_EVENT', '2'] as const] : []),
      ]),
      timeoutMs,
      killGraceMs,
      stdoutLimitBytes,
      errorCodes: { missing: 'SOURCE_UNAVAILABLE', failed: 'SOURCE_UNAVAILABLE' },
    },
    signal,
  )
}

/** The shell becomes git, so the lock ends with it. No reference and no object is called `….lock`. */
function underLock({ path, directory }: GitLock, git: readonly string[]): readonly string[] {
  const script = 'find "$0" -name "*.lock" -delete 2>/dev/null; exec "$@"'
  return ['flock', '--no-fork', path, '/bin/sh', '-c', script, directory, ...git]
}

/** A service that is killed must not leave a fetch behind, which would hold its lock. */
async function boundToService(
  { PATH = '' }: GitSetting['inherited'],
  command: readonly string[],
): Promise<readonly string[]> {
  const program = await findProgram('setpriv', PATH)
  return program === undefined ? command : endWithParent(program, 'TERM', process.pid, command)
}

function gitEnvironment(
  inherited: Readonly<NodeJS.ProcessEnv>,
  login: GitSetting['login'],
): ReadonlyMap<string, string> {
  const environment = new Map<string, string>([
    ['LC_ALL', 'C'],
    ['GIT_TERMINAL_PROMPT', '0'],
    // Empty: no program that opens a window either.
    ['GIT_ASKPASS', ''],
    // `git status` would write the index of somebody's work tree.
    ['GIT_OPTIONAL_LOCKS', '0'],
    ['GIT_SSH_COMMAND', 'ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20'],
  ])
  for (const name of passedOn) {
    const value = inherited[name]
    if (value !== undefined) environment.set(name, value)
  }
  if (inherited['GIT_SSH'] && !inherited['GIT_SSH_COMMAND']) environment.delete('GIT_SSH_COMMAND')
  for (const [name, value] of loginEnvironment(login)) environment.set(name, value)
  return environment
}

/**
 * A credential helper and not a header: git asks it for exactly the origin that wants a login, also
 * after a redirect, while `http.extraHeader` goes along to wherever a redirect leads.
 */
function loginEnvironment(login: GitSetting['login']): readonly (readonly [string, string])[] {
  if (login === undefined) return []
  const key = `credential.${login.origin}.helper`
  return [
    ['GIT_CONFIG_COUNT', '2'],
    ['GIT_CONFIG_KEY_0', key],
    // Empty: the user's helpers neither answer for this origin nor store what worked.
    ['GIT_CONFIG_VALUE_0', ''],
    ['GIT_CONFIG_KEY_1', key],
    ['GIT_CONFIG_VALUE_1', credentialHelper],
    ['NIXERY_GIT_USERNAME', login.credential.username],
    ['NIXERY_GIT_PASSWORD', login.credential.password],
  ]
}

/** What a failed command means for the operator. A full disk is not the origin's fault. */
export function gitError(what: string, end: ProcessEnd): OperatingError {
  const isFull = end.stderrTail
    .split(/[\r\n]+/)
    .some((line) => !line.startsWith('remote:') && /No space left|Disk quota exceeded/.test(line))
  const code = isFull ? 'NO_SPACE' : 'SOURCE_UNAVAILABLE'
  return new OperatingError(code, `${what}: ${describeGitEnd(end)}`)
}

/** Why git failed, in one line of its own words. */
export function describeGitEnd({ kind, stderrTail, status }: ProcessEnd): string {
  if (kind === 'timed-out') return 'took too long'
  if (kind === 'printed-too-much') return `printed more than ${stdoutLimitBytes} bytes`
  const lines = stderrTail.split(/[\r\n]+/).filter((line) => !line.startsWith('{"event":'))
  const first = lines.findIndex((line) => /^(remote: )?(fatal|error):/i.test(line))
  // `unable to connect to 127.0.0.1:`, and the line below has the reason.
  const said =
    first === -1
      ? lines.findLast(Boolean)
      : lines.slice(first, lines[first]!.endsWith(':') ? first + 2 : first + 1).join(' ')
  return hideCredentials((said ?? status).replace(/^(fatal|error): /, '')).slice(0, maxLineLength)
}

// Longer words of a server are of no use in a log line.
const maxLineLength = 500
