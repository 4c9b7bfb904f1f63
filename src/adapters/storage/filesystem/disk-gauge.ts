/** Tells whether files are most likely in memory: then it is cheaper to ask for them at once. */
export class DiskGauge {
  static #seenReads = 0
  /** The last call took nothing from a disk, so the next one most likely takes nothing either. */
  isResting = false

  /** To be called after each look at a file. What other threads of the process read counts as well. */
  note(): void {
    const reads = process.resourceUsage().fsRead
    this.isResting = reads === DiskGauge.#seenReads
    DiskGauge.#seenReads = reads
  }
}
