import { readFile } from 'node:fs/promises'
import { findInNetrc, type Credential } from '#core/request/netrc.ts'
import { OperatingError } from '#engine/operating-error.ts'

/** The login for an http or https address, if there is one. */
export type FindCredential = (url: string) => Promise<Credential | undefined>

export interface CredentialFiles {
  /** A file with a token, or `user:token`, for the servers of these addresses. */
  readonly token?: { readonly path: string; readonly urls: readonly string[] }
  readonly netrcPath?: string
}

// Servers of GitHub, GitLab and Forgejo take a token as the password of any user.
const anyUser = 'x-access-token'

/**
 * Logins from files, which are read at each use, because orchestrators renew them. A token goes to
 * exactly the origins that it was configured for, what netrc has to the hosts that it names.
 */
export function credentialsFromFiles({ token, netrcPath }: CredentialFiles): FindCredential {
  const tokenOrigins = new Set(token?.urls.map(originOf).filter((origin) => origin !== undefined))
  return async (url) => {
    const origin = originOf(url)
    if (origin === undefined) return undefined
    if (token !== undefined && tokenOrigins.has(origin)) return parseToken(await read(token.path))
    if (netrcPath === undefined) return undefined
    return findInNetrc(await read(netrcPath), new URL(url).hostname)
  }
}

function originOf(url: string): string | undefined {
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? new URL(url).origin : undefined
}

function parseToken(text: string): Credential {
  const line = text.trim()
  const colon = line.indexOf(':')
  if (colon === -1) return { username: anyUser, password: line }
  return { username: line.slice(0, colon), password: line.slice(colon + 1) }
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new OperatingError('SOURCE_UNAVAILABLE', `cannot read the credentials in ${path}`, {
      cause,
    })
  }
}
