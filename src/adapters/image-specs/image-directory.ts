import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { guardFilesystem, unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { OperatingError } from '#engine/operating-error.ts'
import type { ImageSpec, ImageSpecs } from '#engine/ports/image-specs.ts'
import { ImageSpecError, parseImageSpec } from './image-spec-file.ts'

const extensions = ['yaml', 'yml', 'json'] as const
const specName = /^(.+)\.(?:yaml|yml|json)$/

/** A spec with the longest values that it may have is smaller; anything else was put there by mistake. */
const maxBytes = 256 * 1024

/** A directory of that many specs would make every start slow. */
const maxSpecs = 10_000

/** Stored specs of a directory. */
export interface ImageDirectory extends ImageSpecs {
  /** All of them by name, for the start to check. */
  list(): Promise<ReadonlyMap<string, ImageSpec>>
  /** Their names at this moment, without a look into the files. */
  names(): Promise<readonly string[]>
}

/** No specs. */
export const noImageSpecs: ImageDirectory = {
  isEmpty: true,
  find: async () => undefined,
  list: async () => new Map(),
  names: async () => [],
}

/**
 * Specs as files: `ci/node.yaml` describes the image `ci/node`. Each request reads its file, so a
 * change counts from the next pull on, however the files came there (a ConfigMap is a tree of
 * links that are swapped).
 */
export function openImageDirectory(directory: string): ImageDirectory {
  const read = (name: string) => readSpec(directory, name)
  const readNames = () =>
    guardFilesystem(`cannot read the directory ${directory}`, () => specNames(directory))
  return {
    find: read,
    names: readNames,
    async list() {
      const names = await readNames()
      if (names.length > maxSpecs)
        throw new OperatingError('SPEC_INVALID', `${directory} has more than ${maxSpecs} specs`)
      const specs = new Map<string, ImageSpec>()
      for (const name of names) {
        const spec = await read(name)
        if (spec !== undefined) specs.set(name, spec)
      }
      return specs
    },
  }
}

async function readSpec(directory: string, name: string): Promise<ImageSpec | undefined> {
  const paths = extensions.map((extension) => join(directory, `${name}.${extension}`))
  const texts = await Promise.all(paths.map(readBounded))
  const [found, second] = texts.flatMap((text, index) =>
    text === undefined ? [] : [{ path: paths[index]!, text }],
  )
  if (found === undefined) return undefined
  if (second !== undefined)
    throw new OperatingError('SPEC_INVALID', `${found.path} and ${second.path} describe one image`)
  try {
    return parseImageSpec(found.text)
  } catch (cause) {
    if (!(cause instanceof ImageSpecError)) throw cause
    throw new OperatingError('SPEC_INVALID', `${found.path}: ${cause.message}`, { cause })
  }
}

async function readBounded(path: string): Promise<string | undefined> {
  return guardFilesystem(`cannot read ${path}`, async () => {
    const info = await stat(path).catch(unlessNoFile)
    if (info?.isFile() !== true) return undefined
    if (info.size > maxBytes)
      throw new OperatingError('SPEC_INVALID', `${path} has more than ${maxBytes} bytes`)
    return unlessMissing(readFile(path, 'utf8'))
  })
}

// What the system says of a path that no spec can have: a component that is a file, or is too long.
const noFile: readonly unknown[] = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']

function unlessNoFile(error: NodeJS.ErrnoException): undefined {
  if (!noFile.includes(error.code)) throw error
}

/** The names that the files of a directory describe; hidden ones (`..data` of a ConfigMap) are none. */
async function specNames(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const names = entries
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split('/').some((part) => part.startsWith('.')))
    .flatMap((path) => specName.exec(path)?.[1] ?? [])
  return [...new Set(names)].sort()
}
