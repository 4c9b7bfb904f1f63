import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import type { Figure } from '../figure.ts'
import type { MeasuredLayer } from '../stored-layers.ts'

const program = join(import.meta.dirname, 'pack-layers.ts')

export interface PackingPlan {
  readonly layers: readonly MeasuredLayer[]
  /** Where storage and list of layers are kept while it runs; made and removed. */
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  /** A command that runs the program in its own place, as taskset does. */
  readonly wrapper?: readonly string[]
}

/** A fresh process packs the layers into an empty storage. */
export async function measurePacking(plan: PackingPlan): Promise<readonly Figure[]> {
  const { layers, directory, env, wrapper = [] } = plan
  await mkdir(directory)
  const list = join(directory, 'layers.json')
  await writeFile(list, JSON.stringify(layers))
  const [command, ...args] = [...wrapper, process.execPath, program, list]
  const packing = {
    run: () =>
      runCommand(command, args, { env: { STORAGE_PATH: join(directory, 'storage'), ...env } }),
  }
  const figures = JSON.parse(await outputOf(packing, [program])) as readonly Figure[]
  await rm(directory, { recursive: true })
  return figures
}
