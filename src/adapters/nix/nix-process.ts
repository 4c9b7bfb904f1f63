import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'

import { OperatingError } from '#engine/operating-error.ts'
import type { Reading } from './wire-format.ts'

export interface NixProcessRequest {
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment; nothing is inherited. */
  readonly environment: ReadonlyMap<string, string>
}

/**
 * A Nix process that stays and is asked one thing after the other through its pipes. It keeps this
 * process alive only while an answer is awaited. What it says on stderr is for nobody: whoever asked
 * in vain asks a command, which gives the error its words.
 */
export class NixProcess {
  readonly #child: ChildProcess
  readonly #input: Socket
  readonly #output: Socket
  readonly #exited: Promise<unknown>
  #arrived: Buffer[] = []
  #arrivedBytes = 0
  #failure: Error | undefined
  #wake: () => void = () => {}

  constructor({ command, args, environment }: NixProcessRequest) {
    const child = spawn(command, args, {
      env: Object.fromEntries(environment),
      stdio: ['pipe', 'pipe', 'ignore'],
      // Keys that are pressed in the terminal of the service are not for it.
      detached: true,
    })
    this.#child = child
    // Pipes of child processes are sockets in Node; its types do not tell.
    this.#input = child.stdin as Socket
    this.#output = child.stdout as Socket
    this.#exited = Promise.race([once(child, 'exit'), once(child, 'error')]).catch(() => undefined)
    child.on('error', (error) => this.#fail(error))
    child.on('exit', () => {
      this.#killGroup()
      this.#fail(new Error(`${command} ended`))
    })
    this.#input.on('error', (error) => this.#fail(error))
    this.#output.on('error', (error) => this.#fail(error))
    // Its end alone is awaited by nobody, and would come too late for who is.
    this.#output.on('close', () => this.#fail(new Error(`${command} closed its output`)))
    this.#output.on('data', (chunk: Buffer) => this.#accept(chunk))
    child.unref()
    this.#input.unref()
    this.#output.unref()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  write(bytes: Buffer | string): void {
    this.#input.write(bytes)
  }

  /** Reads what comes next. Rejects when the process ends before; one reading at a time. */
  async read<T>(reading: Reading<T>): Promise<T> {
    this.#output.ref()
    try {
      let step = reading.next()
      while (step.done !== true) {
        const sizeBytes = step.value
        while (this.#arrivedBytes < sizeBytes) await this.#more()
        step = reading.next(this.#take(sizeBytes))
      }
      return step.value
    } finally {
      this.#output.unref()
    }
  }

  /** Reads text up to and with its end, like `read`; rejects when more comes before it. */
  async readUntil(end: string, limitBytes: number): Promise<string> {
    this.#output.ref()
    try {
      for (;;) {
        const all = Buffer.concat(this.#arrived)
        this.#arrived = [all]
        const index = all.indexOf(end)
        if (index !== -1) return this.#take(index + Buffer.byteLength(end)).toString('utf8')
        if (all.length > limitBytes) throw new OperatingError('NIX_FAILED', 'Nix says too much')
        await this.#more()
      }
    } finally {
      this.#output.unref()
    }
  }

  /** Ends it, whatever it does. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#fail(new Error('the process was ended'))
    const { pid, exitCode, signalCode } = this.#child
    // Later its number may be that of another process.
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    this.#killGroup()
    this.#child.ref()
    await this.#exited
  }

  #killGroup(): void {
    try {
      process.kill(-this.#child.pid!, 'SIGKILL')
    } catch (error) {
      // ESRCH: all of it has ended by itself.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  #more(): Promise<void> {
    if (this.#failure !== undefined) {
      throw new OperatingError('NIX_FAILED', 'a Nix process ended before it answered', {
        cause: this.#failure,
      })
    }
    return new Promise((resolve) => (this.#wake = resolve))
  }

  #accept(chunk: Buffer): void {
    this.#arrived.push(chunk)
    this.#arrivedBytes += chunk.length
    this.#wake()
  }

  #take(sizeBytes: number): Buffer {
    const [first] = this.#arrived
    const all =
      first !== undefined && first.length >= sizeBytes ? first : Buffer.concat(this.#arrived)
    const rest = all === first ? this.#arrived.slice(1) : []
    this.#arrived = all.length === sizeBytes ? rest : [all.subarray(sizeBytes), ...rest]
    this.#arrivedBytes -= sizeBytes
    return all.subarray(0, sizeBytes)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }
}
