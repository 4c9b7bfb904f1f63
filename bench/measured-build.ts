import type { NixeryServer } from '#test/clients/nixery-server.ts'
import type { Figure } from './figure.ts'
import { fetchManifest } from './manifest.ts'
import { readTreeSeconds } from './process-usage.ts'

/** Time from the request to the manifest, and what the product and its Nix commands computed. */
export async function measureBuild(server: NixeryServer, name: string): Promise<readonly Figure[]> {
  const secondsBefore = await readTreeSeconds(server.pid)
  const startedAtMs = performance.now()
  await fetchManifest(server.address, name)
  const seconds = (performance.now() - startedAtMs) / 1000
  return buildFigures(seconds, (await readTreeSeconds(server.pid)) - secondsBefore)
}

export function buildFigures(seconds: number, processorSeconds: number): readonly Figure[] {
  return [
    { name: 'time', unit: 's', value: seconds },
    { name: 'processor time', unit: 's', value: processorSeconds },
  ]
}
