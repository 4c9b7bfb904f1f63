import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { UnfitTree } from '#adapters/git/export-tree.ts'
import { GitRemote } from '#adapters/git/git-remote.ts'
import { hideCredentials, parseRepositoryUrl } from '#adapters/git/repository-url.ts'
import type { Credential } from '#core/request/netrc.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { FindCredential } from './credentials.ts'
import { authorization, downloadTarball } from './download-tarball.ts'
import type { InputEnd, InputFetchers } from './flake-inputs.ts'

export interface InputFetcherOptions {
  /** Where repositories are kept. */
  readonly gitDirectory: string
  readonly findCredential?: FindCredential
  readonly environment: Readonly<NodeJS.ProcessEnv>
}

/**
 * The environment of a git that has nobody's logins: no keys, no credential helpers, no netrc of the
 * service's user.
 */
export function withoutLogins(environment: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  const { SSH_AUTH_SOCK: _agent, XDG_CONFIG_HOME: _configuration, ...rest } = environment
  return { ...rest, HOME: '/nonexistent', GIT_CONFIG_GLOBAL: '/dev/null', GIT_SSH_COMMAND: 'false' }
}

/** Inputs of type `file` are single expressions and data; archives come as `tarball`. */
const mostFileBytes = 256 * 1024 * 1024

const fileTimeoutMs = 10 * 60_000

/** Brings locked inputs of flakes here, with the logins that package sources have. */
export function createInputFetchers(options: InputFetcherOptions): InputFetchers {
  const { gitDirectory, environment } = options
  // A lock file is a stranger's: it shall not have a password sent in the clear.
  const findCredential: FindCredential = async (url) =>
    /^https:/i.test(url) ? options.findCredential?.(url) : undefined
  return {
    async tarball(url, directory, signal) {
      const credential = await findCredential(url)
      const end = await downloadTarball({ url, directory, credential, environment }, signal)
      return end.kind === 'unpacked' ? { kind: 'fetched' } : end
    },

    async file(url, path, signal) {
      try {
        return await downloadFile(url, path, await findCredential(url), signal)
      } catch (cause) {
        signal.throwIfAborted()
        if (cause instanceof TooLong) return { kind: 'unfit', message: cause.message }
        if (cause instanceof OperatingError) throw cause
        throw unavailable(url, 'cannot be read', cause)
      }
    },

    async git(url, commit, directory, signal) {
      const remote = new GitRemote({
        url,
        directory: gitDirectory,
        environment,
        findCredential,
      })
      if ((await remote.fetchCommit(commit, signal)) === 'missing') return { kind: 'missing' }
      try {
        await remote.export(commit, directory, signal)
        return { kind: 'fetched' }
      } catch (error) {
        if (!(error instanceof UnfitTree)) throw error
        return { kind: 'unfit', message: error.message }
      }
    },
  }
}

class TooLong extends Error {}

async function downloadFile(
  url: string,
  path: string,
  credential: Credential | undefined,
  signal: AbortSignal,
): Promise<InputEnd> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(fileTimeoutMs)])
  const address = parseRepositoryUrl(url)
  const headers = authorization(address.credential ?? credential)
  const response = await fetch(address.url, { signal: until, headers })
  if (!response.ok || response.body === null) {
    await response.body?.cancel()
    if (response.status === 404 || response.status === 410) return { kind: 'missing' }
    throw unavailable(url, `answers ${response.status}`)
  }
  await pipeline(response.body, limited, createWriteStream(path), { signal: until })
  return { kind: 'fetched' }
}

function unavailable(url: string, why: string, cause?: unknown): OperatingError {
  return new OperatingError('SOURCE_UNAVAILABLE', `${hideCredentials(url)} ${why}`, { cause })
}

async function* limited(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  for await (const chunk of chunks) {
    sizeBytes += chunk.length
    if (sizeBytes > mostFileBytes) throw new TooLong(`it has more than ${mostFileBytes} bytes`)
    yield chunk
  }
}
