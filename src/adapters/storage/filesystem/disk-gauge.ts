// A disk takes longer, or so short that nobody notices; memory takes a tenth of it for 512 KiB.
const shortMs = 0.5

// Of file systems whose disk reads the kernel does not count for who asked for them.
const longestMs = 20

/** Tells whether files are most likely in memory: then it is cheaper to ask for them at once. */
export class DiskGauge {
  static #seenReads = 0
  /** The last look at a file waited for no disk, so the next one most likely waits for none either. */
  isResting = false

  /**
   * To be called after each look with the time when it began. Long ones may have waited for a processor
   * instead: the kernel counts what all threads of the process had from disks.
   */
  note(startedAtMs: number): void {
    const tookMs = performance.now() - startedAtMs
    if (tookMs < shortMs) {
      this.isResting = true
      return
    }
    const reads = process.resourceUsage().fsRead
    this.isResting = tookMs < longestMs && reads === DiskGauge.#seenReads
    DiskGauge.#seenReads = reads
  }
}
