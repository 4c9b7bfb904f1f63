import { guardFilesystem } from '#adapters/filesystem/filesystem-error.ts'
import { formatPopularity } from '#core/layers/popularity-count.ts'
import { replaceFile } from './replace-file.ts'

/** Writes the popularity file, at once or not at all. */
export async function writePopularity(
  path: string,
  ratings: ReadonlyMap<string, number>,
): Promise<void> {
  await guardFilesystem('cannot write the popularity file', () =>
    replaceFile(path, formatPopularity(ratings)),
  )
}
