import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { GitRemote } from '#adapters/git/git-remote.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { FindCredential } from './credentials.ts'
import { downloadTarball } from './download-tarball.ts'
import type { InputFetchers } from './flake-inputs.ts'

export interface InputFetcherOptions {
  /** Where repositories are kept. */
  readonly gitDirectory: string
  readonly findCredential?: FindCredential
  readonly environment: Readonly<NodeJS.ProcessEnv>
}

/** Inputs of type `file` are single expressions and data; archives come as `tarball`. */
const mostFileBytes = 256 * 1024 * 1024

const fileTimeoutMs = 10 * 60_000

/** Brings locked inputs of flakes here, with the logins that package sources have. */
export function createInputFetchers(options: InputFetcherOptions): InputFetchers {
  const { gitDirectory, findCredential, environment } = options
  return {
    async tarball(url, directory, signal) {
      const credential = await findCredential?.(url)
      const end = await downloadTarball({ url, directory, credential }, signal)
      return end.kind === 'unpacked' ? { kind: 'fetched' } : end
    },

    async file(url, path, signal) {
      const until = AbortSignal.any([signal, AbortSignal.timeout(fileTimeoutMs)])
      const response = await request(url, until)
      if (response.status === 404 || response.status === 410) return { kind: 'missing' }
      if (!response.ok || response.body === null)
        throw new OperatingError('SOURCE_UNAVAILABLE', `${url} answers ${response.status}`)
      await pipeline(response.body, limited(url), createWriteStream(path), { signal: until })
      return { kind: 'fetched' }
    },

    async git(url, commit, directory, signal) {
      const remote = new GitRemote({
        url,
        directory: gitDirectory,
        environment,
        ...(findCredential && { findCredential }),
      })
      if ((await remote.fetchCommit(commit, signal)) === 'missing') return { kind: 'missing' }
      await remote.export(commit, directory, signal)
      return { kind: 'fetched' }
    },
  }
}

async function request(url: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    throw new OperatingError('SOURCE_UNAVAILABLE', `${url} cannot be read`, { cause })
  }
}

function limited(url: string) {
  return async function* limit(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0
    for await (const chunk of chunks) {
      sizeBytes += chunk.length
      if (sizeBytes > mostFileBytes)
        throw new OperatingError(
          'SOURCE_UNAVAILABLE',
          `${url} has more than ${mostFileBytes} bytes`,
        )
      yield chunk
    }
  }
}
