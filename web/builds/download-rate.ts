/** Bytes that had been downloaded at a time, in milliseconds. */
export interface DownloadSample {
  readonly atMs: number
  readonly bytes: number
}

// Long enough that a rate can be read, short enough that it tells of now.
const windowMs = 5_000

/** The samples with one more; those that are too old go. */
export function addSample(
  samples: readonly DownloadSample[],
  sample: DownloadSample,
): readonly DownloadSample[] {
  const previous = samples.at(-1)
  if (previous !== undefined && sample.bytes < previous.bytes) return [sample]
  return [...samples.filter(({ atMs }) => sample.atMs - atMs <= windowMs), sample]
}

/** Bytes per second over the samples; `undefined` while there is nothing to tell. */
export function downloadRate(samples: readonly DownloadSample[]): number | undefined {
  const [first] = samples
  const last = samples.at(-1)
  if (first === undefined || last === undefined || last.atMs === first.atMs) return undefined
  return ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1000
}
