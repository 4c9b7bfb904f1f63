import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import type { ProcessEnd } from '#adapters/process/run-process.ts'
import { digestHex, digestOf } from '#core/oci/digest.ts'
import { isCommit, type GitReference } from '#core/request/git-reference.ts'
import type { Credential } from '#core/request/netrc.ts'
import { exportTree } from './export-tree.ts'
import { parseReferences, type References } from './references.ts'
import { parseRepositoryUrl, type RepositoryUrl } from './repository-url.ts'
import { gitError, runGit, type GitCommand, type GitLock, type GitSetting } from './run-git.ts'
import { SharedWork } from '#adapters/concurrency/shared-work.ts'
import { abortable } from '#engine/abortable.ts'
import { Semaphore } from '#adapters/concurrency/semaphore.ts'

export interface GitRemoteOptions {
  /** Any address that git understands; a login in it is used and never shown. */
  readonly url: string
  /** Where repositories are kept, a directory for each address; what is in it can be removed at any time. */
  readonly directory: string
  /** The login for an http or https address; read anew each time, because files are renewed. */
  readonly findCredential?: (url: string) => Promise<Credential | undefined>
  /** Of the service; git gets an allow-list of it. */
  readonly environment: Readonly<NodeJS.ProcessEnv>
  readonly now?: () => number
}

// A server that does not begin to answer; a listing of all of GitHub's nixpkgs takes seconds.
const askTimeoutMs = 60_000

// The commits of nixpkgs are some hundred megabytes, one state of it about fifty.
const fetchTimeoutMs = 30 * 60 * 1000

const localTimeoutMs = 5 * 60 * 1000

/** So often the origin is asked at most, however many unknown names and commits strangers make up. */
const answerLifeMs = 5_000

/** So long the name of the default branch is believed. */
const defaultBranchLifeMs = 60 * 60 * 1000

/** Commits that are looked for at once: each takes some processes, and strangers make them up. */
const searchesAtOnce = 4

/** States that later ones are fetched as a difference to. */
const keptCommits = 8

const name = 'nixery'

/** The branches and tags of a server that cannot be asked for single commits. */
const everything = 'refs/all'

/** For commands that miss something: they say so, and do not fetch it. */
const offline = ['protocol.allow=never']

interface Answer<T> {
  readonly value: T
  readonly atMs: number
}

/**
 * A repository that is somewhere else, and what is kept of it here:
 *
 *     <directory>/<digest of the address>/
 *       history.git     the commits of all branches and tags, without trees: is a commit reachable?
 *       commits.git     single commits with their trees, without history: what is a state's content?
 *       *.lock          held while one of them is changed, among processes
 *
 * They are two because a repository without history cannot tell what is reachable. A server that has
 * no git, only its files, can leave nothing out: then commits.git has everything. Objects are only
 * added while the lock is held; reading needs none, because git replaces packs safely and
 * housekeeping leaves alone what is younger than a day.
 *
 * Nothing that a request says reaches git but as a whole reference name or a commit id. An origin that
 * does not answer or refuses is an `OperatingError` `SOURCE_UNAVAILABLE`.
 */
export class GitRemote {
  /** The address without credentials. */
  readonly url: string
  readonly #parsed: RepositoryUrl
  readonly #directory: string
  readonly #options: GitRemoteOptions
  readonly #now: () => number
  readonly #listings = new SharedWork<References>()
  readonly #closing = new AbortController()
  readonly #searches = new Semaphore(searchesAtOnce)
  #references: Answer<References> | undefined
  #defaultBranch: Answer<string> | undefined
  #historyAtMs = Number.NEGATIVE_INFINITY
  #fetchingHistory: Promise<void> | undefined
  /** Plain files until the server has shown otherwise. */
  #runsGit = false

  constructor(options: GitRemoteOptions) {
    this.#options = options
    this.#parsed = parseRepositoryUrl(options.url)
    this.url = this.#parsed.url
    this.#directory = join(options.directory, digestHex(digestOf(this.url)).slice(0, 32))
    this.#now = options.now ?? Date.now
  }

  /** The branches and tags of now, at most some seconds old. */
  async references(signal: AbortSignal): Promise<References> {
    return this.#list('names', signal)
  }

  /** The commit behind a reference; a branch wins over a tag of its name. `undefined` when there is none. */
  async resolve(reference: GitReference, signal: AbortSignal): Promise<string | undefined> {
    switch (reference.kind) {
      case 'commit':
        return reference.commit
      case 'name': {
        const { branches, tags } = await this.references(signal)
        return branches.get(reference.name) ?? tags.get(reference.name)
      }
      case 'default':
        return this.#resolveHead(signal)
      case 'invalid':
        return undefined
    }
  }

  /** Whether a branch or tag is this very commit. */
  async advertises(commit: string, signal: AbortSignal): Promise<boolean> {
    const { branches, tags } = await this.references(signal)
    return [branches, tags].some((names) => names.values().some((value) => value === commit))
  }

  /**
   * Whether a commit is an ancestor of a branch or tag. Other references do not count: everybody can
   * have GitHub make a `refs/pull/…`, which shows a stranger's commit in one's own repository.
   */
  async reaches(commit: string, signal: AbortSignal): Promise<boolean> {
    assertCommit(commit)
    return this.#searches.run(() => this.#search(commit, signal))
  }

  async #search(commit: string, signal: AbortSignal): Promise<boolean> {
    const historyAtMs = this.#historyAtMs
    if (await this.#isInHistory(commit, signal)) return true
    // The history may have come while it was looked at.
    if (this.#historyAtMs !== historyAtMs) return this.#isInHistory(commit, signal)
    if (this.#now() - this.#historyAtMs < answerLifeMs) return false
    // Whoever asks may leave before hundreds of megabytes are here, and come back: this goes on.
    this.#fetchingHistory ??= this.#fetchHistory(this.#closing.signal).finally(() => {
      this.#fetchingHistory = undefined
    })
    await abortable(this.#fetchingHistory, signal)
    return this.#isInHistory(commit, signal)
  }

  /** Ends what goes on although nobody waits for it. */
  close(): void {
    this.#closing.abort(new DOMException('the service ends', 'AbortError'))
  }

  /** Brings the files of one commit here, and nothing before it; `missing` when there is no such commit. */
  async fetchCommit(commit: string, signal: AbortSignal): Promise<'fetched' | 'missing'> {
    assertCommit(commit)
    const kept = await this.#keptReferences(signal)
    if (kept.some((reference) => reference.endsWith(commit))) return 'fetched'
    // The time in front makes the order of names the order of age.
    const reference = `refs/kept/${String(this.#now()).padStart(15, '0')}-${commit}`
    const found = await this.#fetchOne(commit, reference, signal)
    if (!found) return 'missing'
    await this.#forgetOldest(signal)
    return 'fetched'
  }

  /** Writes the files of a fetched commit into an empty directory: their exact bytes. */
  async export(commit: string, directory: string, signal: AbortSignal): Promise<void> {
    assertCommit(commit)
    const objects = join(this.#repository('commits'), 'objects')
    const setting = { inherited: this.#inherited }
    await exportTree(setting, { objects, tree: commit, directory }, signal)
  }

  /**
   * git asks for everything that an origin has when it asks for HEAD, pull requests included, but can
   * ask for branches and tags alone. So the name of the default branch is kept for a while.
   */
  async #resolveHead(signal: AbortSignal): Promise<string | undefined> {
    const known = this.#defaultBranch
    if (known !== undefined && this.#now() - known.atMs < defaultBranchLifeMs) {
      const { branches } = await this.references(signal)
      const commit = branches.get(known.value)
      if (commit !== undefined) return commit
    }
    return (await this.#list('head', signal)).head
  }

  async #list(what: 'names' | 'head', signal: AbortSignal): Promise<References> {
    const last = this.#references
    const isFresh = last !== undefined && this.#now() - last.atMs < answerLifeMs
    if (isFresh && (what === 'names' || last.value.head !== undefined)) return last.value
    return this.#listings.run(what, (until) => this.#ask(what, until), signal)
  }

  async #ask(what: 'names' | 'head', signal: AbortSignal): Promise<References> {
    const only = what === 'names' ? ['--heads', '--tags'] : []
    // Patterns are no help to the server, and without them a refused name can be answered with its like.
    const patterns = what === 'names' ? [] : ['HEAD', 'refs/heads/*', 'refs/tags/*']
    const end = await this.#inRepository(
      'commits',
      {
        args: ['ls-remote', '--symref', ...only, '--', name, ...patterns],
        traced: true,
        timeoutMs: askTimeoutMs,
      },
      signal,
    )
    const value = parseReferences(this.#expect(end))
    this.#runsGit = end.stderrTail.includes('"negotiated-version"')
    const atMs = this.#now()
    this.#references = { value, atMs }
    if (value.headBranch !== undefined) this.#defaultBranch = { value: value.headBranch, atMs }
    return value
  }

  async #isInHistory(commit: string, signal: AbortSignal): Promise<boolean> {
    const [first, second] = await Promise.all([
      this.#leadTo('history', ['--branches', '--tags'], commit, signal),
      this.#leadTo('commits', [`--glob=${everything}`], commit, signal),
    ])
    return first || second
  }

  /** Whether a repository that is here has references that lead to the commit. */
  async #leadTo(
    repository: 'history' | 'commits',
    references: readonly string[],
    commit: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    // What no reference leads to is printed. A commit that is not here at all is an error, and must
    // not be fetched for the question's sake; so is the id of a directory or file, which would
    // print nothing.
    const args = ['rev-list', '--max-count=1', `${commit}^{commit}`, '--not', ...references]
    const command = { args, config: offline, timeoutMs: localTimeoutMs }
    const end = await this.#inRepository(repository, command, signal)
    return end.kind === 'succeeded' && end.stdout === ''
  }

  async #fetchHistory(signal: AbortSignal): Promise<void> {
    const startedAtMs = this.#now()
    // What kind of server it is shows in its answer. A repository that leaves things out fetches them
    // when it misses them; from plain files that would begin anew with every file, without an end.
    await this.references(signal)
    if (this.#runsGit) await this.#fetchCommits(signal)
    else await this.#fetchEverything(signal)
    this.#historyAtMs = startedAtMs
  }

  async #fetchCommits(signal: AbortSignal): Promise<void> {
    const refspecs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']
    const options = ['--filter=tree:0', '--prune']
    this.#expect(await this.#fetch('history', options, refspecs, signal))
    await this.#keepHouse('history', signal)
  }

  async #fetchOne(commit: string, reference: string, signal: AbortSignal): Promise<boolean> {
    const end = await this.#fetch('commits', ['--depth=1'], [`+${commit}:${reference}`], signal)
    if (end.kind === 'succeeded') {
      if (await this.#isCommit(commit, signal)) return true
      this.#expect(await this.#update(['update-ref', '-d', reference], signal))
      return false
    }
    if (isAboutMissing(end)) return false
    if (!isAboutRefusal(end)) this.#expect(end)
    await this.#fetchEverything(signal)
    if (!(await this.#isCommit(commit, signal))) return false
    this.#expect(await this.#update(['update-ref', reference, commit], signal))
    return true
  }

  /** For servers that give only what their references name, or know nothing of depth. */
  async #fetchEverything(signal: AbortSignal): Promise<void> {
    const isShallow = existsSync(join(this.#repository('commits'), 'shallow'))
    // git's own word for all of the history.
    const depth = isShallow ? ['--depth=2147483647'] : []
    const refspecs = [`+refs/heads/*:${everything}/heads/*`, `+refs/tags/*:${everything}/tags/*`]
    this.#expect(await this.#fetch('commits', [...depth, '--prune'], refspecs, signal))
  }

  async #isCommit(commit: string, signal: AbortSignal): Promise<boolean> {
    // Asked for a commit, git takes the id of an annotated tag for the one that it names.
    const args = ['cat-file', '-t', commit]
    const end = await this.#inRepository('commits', { args, timeoutMs: localTimeoutMs }, signal)
    return end.kind === 'succeeded' && end.stdout === 'commit\n'
  }

  async #keptReferences(signal: AbortSignal): Promise<readonly string[]> {
    const args = ['for-each-ref', '--format=%(refname)', 'refs/kept']
    const end = await this.#inRepository('commits', { args, timeoutMs: localTimeoutMs }, signal)
    return this.#expect(end).split('\n').filter(Boolean)
  }

  async #forgetOldest(signal: AbortSignal): Promise<void> {
    const kept = await this.#keptReferences(signal)
    for (const reference of kept.slice(0, -keptCommits)) {
      // Another process may have been first.
      await this.#update(['update-ref', '-d', reference], signal)
    }
    await this.#keepHouse('commits', signal)
  }

  #update(args: readonly string[], signal: AbortSignal): Promise<ProcessEnd> {
    const command = { args, lock: this.#lock('commits'), timeoutMs: localTimeoutMs }
    return this.#inRepository('commits', command, signal)
  }

  #fetch(
    repository: 'history' | 'commits',
    options: readonly string[],
    refspecs: readonly string[],
    signal: AbortSignal,
  ): Promise<ProcessEnd> {
    // Progress shows that a server which counts objects for minutes is alive.
    const always = ['--progress', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules']
    return this.#inRepository(
      repository,
      {
        args: ['fetch', ...always, ...options, '--', name, ...refspecs],
        config: ['fetch.writeCommitGraph=true'],
        lock: this.#lock(repository),
        timeoutMs: fetchTimeoutMs,
      },
      signal,
    )
  }

  /** Each fetch adds a pack. What goes wrong here is tried again after the next one. */
  async #keepHouse(repository: 'history' | 'commits', signal: AbortSignal): Promise<void> {
    await this.#inRepository(
      repository,
      {
        args: ['gc', '--auto', '--quiet'],
        config: [...offline, 'gc.auto=6700', 'gc.autoPackLimit=24', 'gc.pruneExpire=1.day.ago'],
        lock: this.#lock(repository),
        timeoutMs: fetchTimeoutMs,
      },
      signal,
    )
  }

  async #inRepository(
    repository: 'history' | 'commits',
    command: GitCommand,
    signal: AbortSignal,
  ): Promise<ProcessEnd> {
    const path = this.#repository(repository)
    // What git makes last: another process may be at it, or was killed at it.
    if (!existsSync(join(path, 'objects/info'))) await this.#create(repository, signal)
    const args = [`--git-dir=${path}`, ...command.args]
    // git takes an address also where it takes the name of a remote; a name cannot look like an option.
    const config = [`remote.${name}.url=${this.url}`, ...(command.config ?? [])]
    return runGit(await this.#setting(), { ...command, args, config }, signal)
  }

  async #create(repository: 'history' | 'commits', signal: AbortSignal): Promise<void> {
    await guardFilesystem('cannot keep repositories', () =>
      mkdir(this.#directory, { recursive: true }),
    )
    const args = ['init', '--quiet', '--bare', '--template=', '--', this.#repository(repository)]
    const command = { args, lock: this.#lock(repository), timeoutMs: localTimeoutMs }
    const end = await runGit({ inherited: this.#inherited }, command, signal)
    if (end.kind === 'succeeded') return
    throw gitError('git cannot begin', end)
  }

  async #setting(): Promise<GitSetting> {
    const { origin, credential } = this.#parsed
    const inherited = this.#inherited
    if (origin === undefined) return { inherited }
    const found = credential ?? (await this.#options.findCredential?.(this.url))
    return found === undefined ? { inherited } : { inherited, login: { origin, credential: found } }
  }

  get #inherited(): Readonly<NodeJS.ProcessEnv> {
    return this.#options.environment
  }

  #repository(repository: 'history' | 'commits'): string {
    return join(this.#directory, `${repository}.git`)
  }

  #lock(repository: 'history' | 'commits'): GitLock {
    return {
      path: join(this.#directory, `${repository}.lock`),
      directory: this.#repository(repository),
    }
  }

  /** What git printed, or an error for the operator. */
  #expect(end: ProcessEnd): string {
    if (end.kind === 'succeeded') return end.stdout
    throw gitError(`the git repository ${this.url} cannot be read`, end)
  }
}

/** Programmer's guard: only whole commit ids get into arguments. */
function assertCommit(text: string): void {
  if (!isCommit(text)) throw new TypeError(`${text} is not a commit id`)
}

function isAboutMissing({ stderrTail }: ProcessEnd): boolean {
  return /not our ref|couldn't find remote ref|no such remote ref/i.test(stderrTail)
}

function isAboutRefusal({ stderrTail }: ProcessEnd): boolean {
  return /unadvertised object|does not support shallow|dumb http/i.test(stderrTail)
}
