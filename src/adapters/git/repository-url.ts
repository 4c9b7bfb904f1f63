import type { Credential } from '#core/request/netrc.ts'

/** The address of a repository, taken apart so that a password never gets into arguments or logs. */
export interface RepositoryUrl {
  /** What git gets, and what is shown: without a password, for http without a user as well. */
  readonly url: string
  /** Scheme, host and port of an http or https address. */
  readonly origin: string | undefined
  /** What stood before the host of an http or https address. */
  readonly credential: Credential | undefined
}

/** Any address that git understands: a URL, `host:path`, or a path. */
export function parseRepositoryUrl(text: string): RepositoryUrl {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    return { url: hideCredentials(text), origin: undefined, credential: undefined }
  const url = new URL(text)
  const credential =
    url.username === '' && url.password === ''
      ? undefined
      : {
          username: decodePercents(url.username),
          password: decodePercents(url.password),
        }
  url.username = ''
  url.password = ''
  return { url: url.href, origin: url.origin, credential }
}

/** A password with a percent sign that nobody escaped is that password. */
function decodePercents(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * A text without the passwords of the URLs in it, and without the users of http, which are often
 * tokens. ssh needs its user.
 */
export function hideCredentials(text: string): string {
  return text
    .replaceAll(/\b(https?:\/\/)[^/@\s]*@/gi, '$1')
    .replaceAll(/\b([a-z][a-z0-9+.-]*:\/\/[^/@:\s]*):[^/@\s]*@/gi, '$1@')
}
