/** Two pieces of memory in turn: one is filled while the other is sent. */
export type BufferPair = readonly [Buffer, Buffer]

// As much in one system call as pays off: with 64 KiB a byte costs four times the processor time.
const largeBytes = 512 * 1024

// 16 MiB in all: pulls of five machines at once, each fetching three layers.
const mostLargePairs = 16

const smallBytes = 64 * 1024

// 8 MiB that are kept for the next ones; further senders make their own.
const mostSpareSmallPairs = 64

/**
 * Memory of everybody who sends files. There is much of it for as many as make good use of it, and little
 * for each of any number of others, so that nobody waits and slow clients hold little.
 */
export class SendBuffers {
  readonly #spareLarge: BufferPair[] = []
  readonly #spareSmall: BufferPair[] = []
  #largeInUse = 0

  /** Runs `send` with two large pieces, or with two small ones while there are no large ones to give. */
  async lend<Result>(send: (pair: BufferPair) => Promise<Result>): Promise<Result> {
    if (this.#largeInUse >= mostLargePairs) return this.lendSmall(send)
    this.#largeInUse += 1
    const pair = this.#spareLarge.pop() ?? makePair(largeBytes)
    try {
      return await send(pair)
    } finally {
      this.#largeInUse -= 1
      this.#spareLarge.push(pair)
    }
  }

  async lendSmall<Result>(send: (pair: BufferPair) => Promise<Result>): Promise<Result> {
    const pair = this.#spareSmall.pop() ?? makePair(smallBytes)
    try {
      return await send(pair)
    } finally {
      if (this.#spareSmall.length < mostSpareSmallPairs) this.#spareSmall.push(pair)
    }
  }
}

function makePair(sizeBytes: number): BufferPair {
  return [Buffer.allocUnsafeSlow(sizeBytes), Buffer.allocUnsafeSlow(sizeBytes)]
}
