import { abortable } from '#engine/abortable.ts'

interface Running<T> {
  readonly result: Promise<T>
  readonly controller: AbortController
  waiters: number
}

/**
 * One run of a piece of work per key, however many wait for it. It belongs to none of them: it runs
 * under its own signal, which is aborted when the last one has left. Results are not kept.
 */
export class SharedWork<T> {
  readonly #running = new Map<string, Running<T>>()

  async run(
    key: string,
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted()
    const running = this.#running.get(key) ?? this.#start(key, work)
    running.waiters += 1
    try {
      return await abortable(running.result, signal)
    } finally {
      running.waiters -= 1
      if (running.waiters === 0 && this.#running.get(key) === running) {
        // Who comes from here on starts anew, and does not share a run that is being ended.
        this.#running.delete(key)
        running.controller.abort(new DOMException('nobody waits any more', 'AbortError'))
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController()
    const result = work(controller.signal)
    const running = { result, controller, waiters: 0 }
    this.#running.set(key, running)
    const forget = () => {
      if (this.#running.get(key) === running) this.#running.delete(key)
    }
    result.then(forget, forget)
    return running
  }
}
