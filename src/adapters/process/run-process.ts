import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import type { Readable } from 'node:stream'

import { OperatingError, type OperatingCode } from '#engine/operating-error.ts'

export interface ProcessRequest {
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment; nothing is inherited. */
  readonly environment: ReadonlyMap<string, string>
  readonly timeoutMs: number
  /** Between asking the group to end and making it end. */
  readonly killGraceMs: number
  /** A process that prints more is ended. */
  readonly stdoutLimitBytes: number
  /** What the program reads; nothing when not given. */
  readonly stdin?: string
  /** Whether it gives way to everything else on the machine. */
  readonly inBackground?: boolean
  /** Called with each line of stderr; without it the end of stderr is kept in the result. */
  readonly onStderrLine?: (line: string) => void
  /** What is thrown when the program is not there, and when it cannot be started. */
  readonly errorCodes: { readonly missing: OperatingCode; readonly failed: OperatingCode }
}

export interface ProcessEnd {
  readonly kind: 'succeeded' | 'failed' | 'timed-out' | 'printed-too-much'
  readonly stdout: string
  /** The last 64 KiB of stderr. */
  readonly stderrTail: string
  /** `exit code 1` or `signal SIGKILL`, for messages. */
  readonly status: string
}

/**
 * Nix 2.8 may miss a signal that comes just before it begins to wait for its builders, and may lose
 * the only exception that it throws for one. The first is mended by a second signal, the other by
 * the end of the builders, which are asked nothing.
 */
const askAgainMs = 1_000

/** A process that has left the group may hold the pipes open after the leader's end. */
const drainMs = 2_000

/** Enough for a trace with its message at the end. */
const stderrTailBytes = 64 * 1024

/** A builder may print without line ends; what is longer is cut. */
const lineLimitBytes = 1024 * 1024

/**
 * Runs a program in a process group of its own and drains stdout and stderr together. When the
 * time is over, the output too long or the signal aborted, the whole group is ended: SIGTERM, then
 * the leader's children, then SIGKILL. Rejects with the signal's reason, always after the group has
 * gone.
 */
export async function runProcess(
  request: ProcessRequest,
  signal: AbortSignal,
): Promise<ProcessEnd> {
  signal.throwIfAborted()
  const child = spawn(request.command, request.args, {
    env: Object.fromEntries(request.environment),
    stdio: [request.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
  }) as ChildProcess & { readonly stdout: Readable; readonly stderr: Readable }
  // Before it has threads or children, which go on with what they find.
  if (request.inBackground && child.pid !== undefined)
    setPriority(child.pid, constants.priority.PRIORITY_LOW)
  const group = new ProcessGroup(child, request.killGraceMs)
  let kind: ProcessEnd['kind'] | undefined
  const stop = (why: ProcessEnd['kind']) => {
    kind ??= why
    group.end()
  }
  const onAbort = () => stop('failed')
  const timer = setTimeout(() => stop('timed-out'), request.timeoutMs)
  signal.addEventListener('abort', onAbort)
  try {
    // A program that ends without reading says why by its end.
    child.stdin?.on('error', () => {}).end(request.stdin)
    const stdout = collect(child.stdout, request.stdoutLimitBytes, () => stop('printed-too-much'))
    const stderr = collectTail(child.stderr, request.onStderrLine)
    const { exitCode, exitSignal } = await group.ended(request)
    signal.throwIfAborted()
    return {
      kind: kind ?? (exitCode === 0 ? 'succeeded' : 'failed'),
      stdout: stdout(),
      stderrTail: stderr(),
      status: exitCode === null ? `signal ${exitSignal}` : `exit code ${exitCode}`,
    }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * A command that the kernel ends with its parent. The shell, which becomes the command, is for a
 * parent that has died before setpriv could ask for that.
 */
export function endWithParent(
  setpriv: string,
  signal: 'TERM' | 'KILL',
  parentId: number,
  command: readonly string[],
): readonly string[] {
  const unlessOrphaned = '[ "$PPID" = "$0" ] && exec "$@"'
  const shell = ['/bin/sh', '-c', unlessOrphaned, String(parentId)]
  return [setpriv, '--pdeathsig', signal, '--', ...shell, ...command]
}

/** A child that leads its own process group. */
class ProcessGroup {
  readonly #child: ChildProcess
  readonly #graceMs: number
  #askTimer: NodeJS.Timeout | undefined
  #killTimer: NodeJS.Timeout | undefined

  constructor(child: ChildProcess, graceMs: number) {
    this.#child = child
    this.#graceMs = graceMs
  }

  /** Asks the group to end until it does, and makes it end when it does not. */
  end(): void {
    if (this.#killTimer !== undefined) return
    this.#kill('SIGTERM')
    let asked = 1
    this.#askTimer = setInterval(() => {
      this.#kill('SIGTERM')
      asked += 1
      if (asked > 2) this.#killChildren()
    }, askAgainMs)
    this.#killTimer = setTimeout(() => this.#kill('SIGKILL'), this.#graceMs)
  }

  /** Waits for the leader, then ends what it left behind and waits for the output. */
  ended({
    command,
    errorCodes,
  }: ProcessRequest): Promise<{ exitCode: number | null; exitSignal: string | null }> {
    const child = this.#child
    return new Promise((resolve, reject) => {
      child.on('error', (cause: NodeJS.ErrnoException) => {
        clearInterval(this.#askTimer)
        clearTimeout(this.#killTimer)
        const missing = cause.code === 'ENOENT'
        const text = missing ? `the program ${command} is not there` : `cannot start ${command}`
        reject(
          new OperatingError(missing ? errorCodes.missing : errorCodes.failed, text, { cause }),
        )
      })
      child.on('exit', () => {
        this.#kill('SIGKILL')
        clearInterval(this.#askTimer)
        clearTimeout(this.#killTimer)
        this.#killTimer = setTimeout(() => {
          child.stdout?.destroy()
          child.stderr?.destroy()
        }, drainMs)
      })
      child.on('close', (exitCode, exitSignal) => {
        clearTimeout(this.#killTimer)
        resolve({ exitCode, exitSignal })
      })
    })
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child
    if (pid !== undefined) killGroup(pid, signal)
  }

  /** Nix starts each builder as the leader of a group. */
  #killChildren(): void {
    for (const pid of findChildren(this.#child.pid)) killGroup(pid, 'SIGKILL')
  }
}

function killGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal)
  } catch (error) {
    // ESRCH: the group has ended by itself, which is what is wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** None on systems without /proc, or when the process has ended. */
function findChildren(pid: number | undefined): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Collects text up to a limit and tells once when it is passed. */
function collect(stream: Readable, limitBytes: number, onTooMuch: () => void): () => string {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  stream.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length
    if (sizeBytes <= limitBytes) chunks.push(chunk)
    else onTooMuch()
  })
  return () => Buffer.concat(chunks).toString('utf8')
}

/** Keeps the end of a stream, and hands on its lines when somebody wants them. */
function collectTail(stream: Readable, onLine: ((line: string) => void) | undefined): () => string {
  let tail = Buffer.alloc(0)
  const lines = new LineSplitter(onLine ?? ignoreLine)
  stream.on('data', (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-stderrTailBytes)
    lines.push(chunk)
  })
  stream.on('end', () => lines.end())
  return () => tail.toString('utf8')
}

function ignoreLine(): void {
  // The tail is all that is wanted.
}

const lineEnd = 0x0a

class LineSplitter {
  readonly #onLine: (line: string) => void
  #parts: Buffer[] = []
  #sizeBytes = 0

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(lineEnd); end !== -1; end = chunk.indexOf(lineEnd, start)) {
      this.#keep(chunk.subarray(start, end))
      this.#flush()
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
  }

  end(): void {
    if (this.#sizeBytes > 0) this.#flush()
  }

  #keep(part: Buffer): void {
    const kept = part.subarray(0, lineLimitBytes - this.#sizeBytes)
    // Even an empty part would keep the whole chunk that it was cut from.
    if (kept.length > 0) this.#parts.push(kept)
    this.#sizeBytes += kept.length
  }

  #flush(): void {
    const line = Buffer.concat(this.#parts).toString('utf8')
    this.#parts = []
    this.#sizeBytes = 0
    this.#onLine(line)
  }
}
