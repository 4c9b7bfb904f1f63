import { platformOf } from '#core/nix/system.ts'
import { mostPackages } from '#core/request/image-request.ts'
import type { ManifestTools } from '#engine/serve-manifest.ts'

/** Names as a service without configuration reads them: one platform, one source, no specs. */
export const plainNames = {
  grammar: {
    platforms: [platformOf(process.arch === 'arm64' ? 'arm64' : 'amd64')],
    sourceNames: new Set<string>(),
    maxPackages: mostPackages,
  },
  specs: { find: async () => undefined },
  popularity: () => ({ kind: 'closure' }),
  labelRevision: false,
} as const satisfies Partial<ManifestTools>
