import { join } from 'node:path'
import { parseStorePath } from '#core/nix/store-path.ts'
import type { MeasuredPath } from '#engine/ports/packer.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { listStorePaths } from './gnu-tar.ts'
import type { Manifest } from './manifest.ts'

/** The store paths of one layer. */
export type MeasuredLayer = readonly MeasuredPath[]

/** What the layers of an image hold; without the root layer, which holds no store path. */
export async function readStoredLayers(
  storage: string,
  { layers }: Manifest,
): Promise<readonly MeasuredLayer[]> {
  const measured: MeasuredLayer[] = []
  for (const { digest } of layers) {
    const layerPath = join(storage, 'layers', digest.replace('sha256:', ''))
    const paths = await listStorePaths(layerPath)
    if (paths.length > 0) measured.push(await measurePaths(paths.map((path) => `/${path}`)))
  }
  return measured
}

async function measurePaths(paths: readonly string[]): Promise<MeasuredLayer> {
  const nixStore = { run: (args: readonly string[]) => runCommand('nix-store', args) }
  const sizes = await outputOf(nixStore, ['--query', '--size', ...paths])
  const lines = sizes.trimEnd().split('\n')
  return paths.map((path, index) => ({
    path: parseStorePath(path)!,
    narSizeBytes: Number(lines[index]),
  }))
}
