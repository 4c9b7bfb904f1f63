/** Which images a storage keeps. Without a limit only what no image needs is removed. */
export interface RetentionPolicy {
  /** Images that nobody has used for longer go. */
  readonly unusedMs?: number
  /**
   * Images made longer ago go, however much they are used, and are made anew by the next pull. For
   * tags that follow a moving branch: what was made before a security update stays under its old
   * revision until something removes it.
   */
  readonly ageMs?: number
  /** Then the least recently used images go until everything stored has at most this size. */
  readonly mostBytes?: number
  /**
   * Nothing that was used or written more recently is touched: clients download the layers of an
   * image after its manifest, and builds rely on layers before they publish the image.
   */
  readonly graceMs: number
}

/** How long a pull or a build may rely on what it was told is there. */
export const usualGraceMs = 60 * 60 * 1000

/** Whether something was used or written too recently to be touched. */
export function isFresh({ graceMs }: RetentionPolicy, timeMs: number, nowMs: number): boolean {
  return nowMs - timeMs < graceMs
}
