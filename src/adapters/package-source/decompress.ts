import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'

/** The bytes are not what they begin like. */
export class DecompressionError extends Error {}

/** An archive that is not compressed has its magic number at this place of the first header. */
const tarMagic = { text: 'ustar', at: 257 } as const

/**
 * Unpacks gzip, zstd, xz or bzip2, and passes on an archive that is none of these. `searchPath` is
 * where programs are, as in PATH.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  searchPath: string,
): AsyncGenerator<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]()
  let start = Buffer.alloc(0)
  while (start.length < tarMagic.at + tarMagic.text.length) {
    const next = await chunks.next()
    if (next.done === true) break
    start = Buffer.concat([start, next.value])
  }
  const whole = prepend(start, chunks)
  const program = programFor(start)
  if (program !== undefined) yield* throughProgram(program, whole, searchPath)
  else if (isTar(start)) yield* whole
  // What is nothing known is for gunzip to refuse.
  else yield* through(isZstd(start) ? createZstdDecompress() : createGunzip(), whole)
}

async function* prepend(
  start: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield start
    for (let next = await rest.next(); next.done !== true; next = await rest.next())
      yield next.value
  } finally {
    // Whoever wants no more has to say so: a connection would stay open.
    await rest.return?.()
  }
}

function isTar(start: Buffer): boolean {
  return start.subarray(tarMagic.at).toString('latin1').startsWith(tarMagic.text)
}

function isZstd(start: Buffer): boolean {
  return start.subarray(0, 4).toString('hex') === '28b52ffd'
}

/** What Node has no part for. */
function programFor(start: Buffer): readonly [string, ...string[]] | undefined {
  if (start.subarray(0, 6).toString('hex') === 'fd377a585a00') {
    // Nothing that `xz -9` packs takes more than 65 MiB to unpack.
    return ['xz', '--decompress', '--stdout', '--format=xz', '--memlimit-decompress=128MiB']
  }
  if (start.subarray(0, 3).toString('latin1') === 'BZh')
    return ['bzip2', '--decompress', '--stdout']
  return undefined
}

async function* through(
  unpacker: Duplex,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  // Its error is also that of reading, but only if the source was not what failed.
  const fed = pipeline(source, unpacker)
  fed.catch(() => {})
  try {
    yield* unpacker as AsyncIterable<Uint8Array>
    await fed
  } finally {
    unpacker.destroy()
  }
}

async function* throughProgram(
  [program, ...args]: readonly [string, ...string[]],
  source: AsyncIterable<Uint8Array>,
  searchPath: string,
): AsyncGenerator<Uint8Array> {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: searchPath, LC_ALL: 'C' },
  })
  const ended = once(child, 'close') as Promise<[number | null]>
  ended.catch(() => {})
  const fed = pipeline(killingWith(source, child), child.stdin)
  fed.catch(() => {})
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>
    const [status] = await ended
    if (status !== null && status !== 0) throw new DecompressionError(`${program} refuses it`)
    await fed
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new DecompressionError(`the program ${program} is not there to unpack it`)
  } finally {
    child.kill('SIGKILL')
    await ended.catch(() => {})
  }
}

/** A program whose input ends because its source fails would say that a file is cut off. */
async function* killingWith(
  source: AsyncIterable<Uint8Array>,
  child: ChildProcess,
): AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}
