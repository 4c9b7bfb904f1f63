import { parseSha256Hash, type Sha256Hex } from './sha256-hash.ts'

/** Where the content of a locked flake input comes from. */
export type InputOrigin =
  | { readonly kind: 'tarball' | 'file'; readonly url: string }
  | { readonly kind: 'git'; readonly url: string; readonly commit: string }
  /** Inside the tree of the flake that names it. */
  | { readonly kind: 'path'; readonly path: string }

/** What one `locked` of a lock file says. */
export interface LockedInput {
  readonly origin: InputOrigin
  /** Of the content as an archive of Nix; a path inside a flake that is fixed needs none. */
  readonly narHash: Sha256Hex | undefined
  /** What Nix passes on to the flake beside the path. */
  readonly info: Readonly<Record<string, string | number>>
}

export type LockedInputOutcome =
  | { readonly kind: 'input'; readonly input: LockedInput }
  /** Why it cannot be fetched: what follows its name in a sentence. */
  | { readonly kind: 'unusable'; readonly message: string }

type Attributes = Readonly<Record<string, unknown>>

/** Where the forges have archives of commits: `{host}`, `{owner}`, `{repo}` and `{rev}` stand for what the lock says. */
export interface ForgeArchives {
  readonly github: string
  readonly gitlab: string
  readonly sourcehut: string
}

export const defaultForgeArchives: ForgeArchives = {
  github: 'https://{host}/{owner}/{repo}/archive/{rev}.tar.gz',
  gitlab: 'https://{host}/{owner}/{repo}/-/archive/{rev}/{repo}-{rev}.tar.gz',
  sourcehut: 'https://{host}/{owner}/{repo}/archive/{rev}.tar.gz',
}

const forgeHosts = { github: 'github.com', gitlab: 'gitlab.com', sourcehut: 'git.sr.ht' } as const

/** Reads the attributes that Nix locks an input with. They are a stranger's: only plain addresses pass. */
export function readLockedInput(locked: Attributes, forges: ForgeArchives): LockedInputOutcome {
  const { type, narHash } = locked
  const origin = readOrigin(locked, forges)
  if (typeof origin === 'string') return { kind: 'unusable', message: origin }
  const hash = typeof narHash === 'string' ? parseSha256Hash(narHash) : undefined
  const isInside = origin.kind === 'path' && narHash === undefined
  if (hash === undefined && !isInside) {
    return {
      kind: 'unusable',
      message: `is locked as ${String(type)} without a SHA-256 narHash: run nix flake lock`,
    }
  }
  return { kind: 'input', input: { origin, narHash: hash, info: inputInfo(locked) } }
}

/** The origin, or why there is none that the service fetches. */
function readOrigin(locked: Attributes, forges: ForgeArchives): InputOrigin | string {
  const { type } = locked
  switch (type) {
    case 'github':
    case 'gitlab':
    case 'sourcehut':
      return forgeArchive(locked, type, forges[type])
    case 'tarball':
    case 'file':
      return webAddress(locked, type)
    case 'git':
      return gitCommit(locked)
    case 'path':
      return pathInside(locked)
    default:
      return `has the type ${JSON.stringify(type)}, which this registry does not fetch`
  }
}

function forgeArchive(
  locked: Attributes,
  type: keyof ForgeArchives,
  template: string,
): InputOrigin | string {
  const { owner, repo, rev, host = forgeHosts[type] } = locked
  const parts = { owner: unescapeSlashes(owner), repo, rev, host }
  const patterns = { owner: ownerPattern, repo: namePattern, rev: commitPattern, host: hostPattern }
  let url = template
  for (const name of ['owner', 'repo', 'rev', 'host'] as const) {
    const part = parts[name]
    if (!isMatch(patterns[name], part)) return `has no usable ${name}`
    url = url.replaceAll(`{${name}}`, part)
  }
  return { kind: 'tarball', url }
}

function webAddress({ url }: Attributes, kind: 'tarball' | 'file'): InputOrigin | string {
  const address = isText(url) ? url.replace(/^(?:tarball|file)\+/, '') : ''
  if (!URL.canParse(address) || !/^https?:\/\//.test(address)) {
    return 'has an address that is neither http nor https'
  }
  return { kind, url: address }
}

function gitCommit({ url, rev, submodules, lfs }: Attributes): InputOrigin | string {
  if (submodules === true || lfs === true) {
    return 'needs git submodules or LFS, which this registry does not fetch'
  }
  const address = isText(url) ? url.replace(/^git\+/, '') : ''
  if (!URL.canParse(address) || !/^(?:https?|ssh|git):\/\//.test(address)) {
    return 'has an address that is none of https, http, ssh and git'
  }
  return isMatch(commitPattern, rev)
    ? { kind: 'git', url: address, commit: rev }
    : 'is locked without a commit: run nix flake lock'
}

function pathInside({ path }: Attributes): InputOrigin | string {
  return isText(path) && !path.startsWith('/')
    ? { kind: 'path', path }
    : 'is a path of another machine: only paths inside the flake are fetched'
}

/** GitLab's groups nest, and Nix writes them with an escaped slash. */
function unescapeSlashes(owner: unknown): unknown {
  return isText(owner) ? owner.replaceAll(/%2f/gi, '/') : owner
}

const commitPattern = /^[0-9a-f]{40}$/
const namePattern = /^(?!\.\.?$)[\w.-]+$/
const ownerPattern = /^~?[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/
const hostPattern = /^[a-z0-9][a-z0-9.-]*(?::\d{1,5})?$/i

function isMatch(pattern: RegExp, value: unknown): value is string {
  return isText(value) && pattern.test(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function inputInfo({ narHash, rev, revCount, lastModified }: Attributes): LockedInput['info'] {
  return {
    ...(isText(narHash) && { narHash }),
    ...(isMatch(commitPattern, rev) && revisionInfo(rev)),
    ...(isSeconds(revCount) && { revCount }),
    ...(isSeconds(lastModified) && dateInfo(lastModified)),
  }
}

/** What Nix says of a commit. */
export function revisionInfo(commit: string): LockedInput['info'] {
  return { rev: commit, shortRev: commit.slice(0, 7) }
}

/** What Nix says of a time in seconds since 1970, as `20240131235959` as well. */
export function dateInfo(lastModified: number): LockedInput['info'] {
  // oxlint-disable-next-line no-restricted-globals -- a calendar, not the clock
  const text = new Date(lastModified * 1000).toISOString()
  return { lastModified, lastModifiedDate: text.replaceAll(/\D/g, '').slice(0, 14) }
}

/** Not beyond what a date can be. */
function isSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 253e9
}
