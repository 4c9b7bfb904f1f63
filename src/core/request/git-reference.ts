import { matchesPattern } from './text-pattern.ts'

/** What a tag asks of a git repository. */
export type GitReference =
  /** The default branch. */
  | { readonly kind: 'default' }
  | { readonly kind: 'commit'; readonly commit: string }
  /** A branch or a tag. */
  | { readonly kind: 'name'; readonly name: string }
  /** No branch and no tag can be called that. */
  | { readonly kind: 'invalid' }

/**
 * `latest` is the default branch, 40 lower-case hex digits are a commit, everything else is the name
 * of a branch or tag.
 */
export function parseGitReference(tag: string): GitReference {
  if (tag === 'latest') return { kind: 'default' }
  if (isCommit(tag)) return { kind: 'commit', commit: tag }
  return isReferenceName(tag) ? { kind: 'name', name: tag } : { kind: 'invalid' }
}

/** A whole commit id, as git prints it. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text)
}

// Nobody's branch is longer, and a file system takes no longer component.
const maxNameLength = 200

/** The rules of git-check-ref-format(1) for the name of a branch or tag, and no leading dash. */
export function isReferenceName(name: string): boolean {
  if (name === '' || name.length > maxNameLength) return false
  if (name === '@' || name.startsWith('-') || name.endsWith('.')) return false
  // oxlint-disable-next-line no-control-regex -- git forbids control characters
  if (/\.\.|@\{|[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) return false
  return name.split('/').every((part) => part !== '' && !/^\.|\.lock$/.test(part))
}

// A URL, `user@host:path`, an absolute path. A relative one would depend on where the service was
// started; `ext::` runs a command.
const gitAddress =
  /^(?:[a-z][a-z0-9+.-]*:\/\/|\/|(?!-)[^\s:/]+:(?!:)|(?!-)[^\s:/]*\[[0-9a-f:]+\]:)./i

/**
 * Whether git can take a text for the address of a repository, wherever it runs. A web address that
 * is none hides no password: one with a slash in it would be shown as a part of the path.
 */
export function isGitAddress(text: string): boolean {
  if (!/^https?:/i.test(text)) return gitAddress.test(text)
  return /^https?:\/\//i.test(text) && URL.canParse(text)
}

/** Whether a repository name's tag can spell the name; a branch with a slash has none. */
export function isTag(name: string): boolean {
  return /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/.test(name)
}

/** Whether a tag matches one of the patterns, `*` standing for any text. Tags have a case. */
export function matchesTagPatterns(patterns: readonly string[], tag: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, tag))
}
