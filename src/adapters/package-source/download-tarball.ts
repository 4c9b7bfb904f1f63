import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { hideCredentials, parseRepositoryUrl } from '#adapters/git/repository-url.ts'
import { runProcess } from '#adapters/process/run-process.ts'
import type { Credential } from '#core/request/netrc.ts'
import { OperatingError } from '#engine/operating-error.ts'
import { decompress, DecompressionError } from './decompress.ts'
import { archiveStartBytes, parseArchiveCommit } from './archive-commit.ts'

export interface TarballRequest {
  /** http or https, with or without a login; a tar archive, compressed or not, with one directory at its top. */
  readonly url: string
  /** Empty; gets what is in the directory at the top. */
  readonly directory: string
  readonly credential?: Credential | undefined
  /** Of the service; programs that unpack get its PATH. */
  readonly environment: Readonly<NodeJS.ProcessEnv>
  readonly limits?: Partial<typeof defaultLimits>
}

export type TarballEnd =
  /** `commit` is what the archive says of itself. */
  | { readonly kind: 'unpacked'; readonly commit?: string }
  | { readonly kind: 'missing' }
  /** `message` says in one line what the archive is not. */
  | { readonly kind: 'unfit'; readonly message: string }

/** nixpkgs has 45 MB as an archive and 350 MB unpacked. */
const defaultLimits = {
  archiveBytes: 2 * 1024 ** 3,
  unpackedBytes: 8 * 1024 ** 3,
  /** A server that sends nothing for so long is down. */
  stallMs: 60_000,
}

/** Of what tar says, for one line. */
const messageBytes = 4096

/** Fifty thousand files that were written just now take a tenth of a second. */
const findTimeoutMs = 5 * 60_000

/** The archive cannot be what was asked for, whatever the network does. */
class UnfitArchive extends Error {}

/**
 * Downloads an archive and unpacks it at the same time. A login goes to the address alone, not along
 * with redirects to other hosts. A server that does not answer, refuses or breaks off is an
 * `OperatingError` `SOURCE_UNAVAILABLE`; `directory` may then hold a part.
 */
export async function downloadTarball(
  request: TarballRequest,
  signal: AbortSignal,
): Promise<TarballEnd> {
  const limits = { ...defaultLimits, ...request.limits }
  const target = { directory: request.directory, searchPath: request.environment['PATH'] ?? '' }
  const stall = new StallTimer(limits.stallMs)
  const until = AbortSignal.any([signal, stall.signal])
  try {
    const { url, credential } = parseRepositoryUrl(request.url)
    const response = await fetch(url, {
      signal: until,
      headers: { accept: '*/*', ...authorization(credential ?? request.credential) },
    })
    if (!response.ok || response.body === null) {
      await response.body?.cancel()
      if (response.status === 404 || response.status === 410) return { kind: 'missing' }
      throw unavailable(request, `answers ${response.status}`)
    }
    const commit = await unpack(stall.watch(response.body), target, limits, until)
    await refuseSpecialFiles(target, signal)
    return { kind: 'unpacked', ...(commit && { commit }) }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof UnfitArchive) return { kind: 'unfit', message: error.message }
    if (error instanceof OperatingError) throw error
    const isStalled = stall.signal.aborted
    const why = isStalled ? `sent nothing for ${limits.stallMs} ms` : describe(error)
    throw unavailable(request, why, error)
  } finally {
    stall.stop()
  }
}

/** The header for a login, none without. */
export function authorization(
  credential: Credential | undefined,
): Readonly<Record<string, string>> {
  if (credential === undefined) return {}
  const { username, password } = credential
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

function unavailable({ url }: TarballRequest, why: string, cause?: unknown): OperatingError {
  return new OperatingError('SOURCE_UNAVAILABLE', `the archive ${hideCredentials(url)} ${why}`, {
    cause,
  })
}

function describe(error: unknown): string {
  const { message, cause } = error as Error
  return `cannot be read: ${cause instanceof Error ? cause.message : message}`
}

/** Where an archive is unpacked, and where the programs for it are. */
interface Target {
  readonly directory: string
  readonly searchPath: string
}

/** Gives the commit that the archive says it is. */
async function unpack(
  body: AsyncIterable<Uint8Array>,
  { directory, searchPath }: Target,
  limits: typeof defaultLimits,
  signal: AbortSignal,
): Promise<string | undefined> {
  const options = ['--extract', '--strip-components=1', '--no-same-owner', '--no-same-permissions']
  const tar = spawn('tar', [...options, `--directory=${directory}`], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { PATH: searchPath, LC_ALL: 'C' },
  })
  const ended = once(tar, 'close') as Promise<[number | null]>
  const stderr = collectStart(tar.stderr)
  let start = Buffer.alloc(0)
  const noteStart = (chunk: Buffer) => {
    if (start.length < archiveStartBytes)
      start = Buffer.concat([start, chunk]).subarray(0, archiveStartBytes)
  }
  try {
    const archive = pipeline(
      body,
      limitBytes(limits.archiveBytes),
      (archive: AsyncIterable<Uint8Array>) => decompress(archive, searchPath),
      limitBytes(limits.unpackedBytes, noteStart),
      tar.stdin,
      { signal },
    )
    const [sent, [status]] = await Promise.all([settle(archive, () => tar.kill('SIGKILL')), ended])
    // tar closes its input when it refuses it, and at the archive's end, before the padding behind it.
    const refused = status !== null && status !== 0 ? stderr() : undefined
    if (refused?.includes('No space left on device') === true)
      throw new OperatingError('NO_SPACE', `cannot unpack into ${directory}: ${refused}`)
    if (sent.error !== undefined && !isBrokenPipe(sent.error)) throw asUnfit(sent.error)
    if (refused !== undefined) throw new UnfitArchive(`tar refuses the archive: ${refused}`)
    if (status === null) throw new Error('tar was ended by a signal')
  } finally {
    tar.kill('SIGKILL')
    await ended
  }
  return parseArchiveCommit(start)
}

/** Run by root, tar makes devices, which could be this machine's disks; Nix takes neither them nor pipes. */
async function refuseSpecialFiles(
  { directory, searchPath }: Target,
  signal: AbortSignal,
): Promise<void> {
  const isSpecial = ['!', '-type', 'f', '!', '-type', 'd', '!', '-type', 'l']
  const { kind, stdout, status } = await runProcess(
    {
      command: 'find',
      args: [directory, ...isSpecial, '-printf', '%P', '-quit'],
      environment: new Map([['PATH', searchPath]]),
      timeoutMs: findTimeoutMs,
      killGraceMs: 1_000,
      stdoutLimitBytes: messageBytes,
      errorCodes: { missing: 'SOURCE_UNAVAILABLE', failed: 'SOURCE_UNAVAILABLE' },
    },
    signal,
  )
  if (stdout !== '') throw new UnfitArchive(`${stdout} is no file, directory or link`)
  if (kind !== 'succeeded') throw new Error(`looking through the archive ended with ${status}`)
}

/** Waits for an end that is an error or none; whoever still reads must not wait for more. */
async function settle(work: Promise<void>, onError: () => void): Promise<{ error?: unknown }> {
  try {
    await work
    return {}
  } catch (error) {
    if (!isBrokenPipe(error)) onError()
    return { error }
  }
}

function isBrokenPipe(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** zlib knows a text that is no archive from one that was cut off. */
function asUnfit(error: unknown): unknown {
  if (error instanceof DecompressionError) return new UnfitArchive(error.message)
  const code = String(codeOf(error))
  if (code !== 'Z_DATA_ERROR' && !code.startsWith('ZSTD_')) return error
  return new UnfitArchive('it is not compressed by gzip, xz, bzip2 or zstd')
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Passes chunks on until they are too many. */
function limitBytes(limitBytes: number, onChunk?: (chunk: Buffer) => void): Transform {
  let sizeBytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length
      onChunk?.(chunk)
      if (sizeBytes <= limitBytes) done(null, chunk)
      else done(new UnfitArchive(`it has more than ${limitBytes} bytes`))
    },
  })
}

/** The start of a text, in one line. */
function collectStart(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(0, messageBytes)
  })
  return () => text.trim().split('\n')[0] ?? ''
}

/** Aborts when nothing comes for a while. */
class StallTimer {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(stallMs: number) {
    this.#timer = setTimeout(() => this.#controller.abort(new Error('stalled')), stallMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  async *watch(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#timer.refresh()
      yield chunk
      // Unpacking may take its time: only the network is watched.
      this.#timer.refresh()
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
