import type { StorePath } from '#core/nix/store-path.ts'
import { parseStorePath, storePathName } from '#core/nix/store-path.ts'
import { digestOf } from '#core/oci/digest.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import { buildImage } from '#engine/build-image.ts'
import type { BuildTarget } from '#engine/image-builder.ts'
import type { PackageBuilder } from '#engine/ports/package-builder.ts'
import type { Packer } from '#engine/ports/packer.ts'
import type { ManifestTools } from '#engine/serve-manifest.ts'
import { plainNames } from './plain-names.ts'
import { setSource } from './set-source.ts'
import type { StorageTools } from './storage-tools.ts'

const set = { identity: 'paper', fixed: true, entry: '/paper', readablePaths: [] }

/**
 * The flow over packages that exist on paper only: `p<number>` stands for a program of its own with
 * libraries that it shares with others. Layers have as many bytes as `layerBytes` says, and no archive
 * in them.
 */
export function paperTools(storage: StorageTools, layerBytes = 100): ManifestTools {
  const shared = {
    ...storage,
    ...plainNames,
    sources: new Map([['', setSource(set)]]),
    policy: strictPolicy,
    layerScheme: 'stable',
    layerBudget: 94,
    compression: { codec: 'gzip', level: 6 },
  } as const
  const steps = {
    ...shared,
    nix: paperNix,
    packer: paperPacker(layerBytes),
    storeFiles: () => ({ list: async () => [], propagated: async () => [] }),
  }
  return {
    ...shared,
    builder: {
      async build(target: BuildTarget, signal: AbortSignal) {
        const built = await buildImage(steps, target, () => {}, signal)
        if ('kind' in built) throw new Error(`the package does not build: ${built.kind}`)
        return { kind: 'built', image: built } as const
      },
    },
  }
}

/** Evaluates and builds what is on paper. */
export const paperNix: PackageBuilder = {
  evaluate: async ({ packages }) =>
    packages
      .filter((name) => /^p\d+$/.test(name))
      .map((name) => ({
        kind: 'found',
        package: name,
        attributePath: [name],
        derivation: storePath(name),
        outputs: [{ name: 'out', path: storePath(name) }],
      })),
  realise: async () => ({ kind: 'realised' }),
  // Big enough for a layer of its own each, so that images share libraries.
  closure: async (programs) => {
    const roots = [...new Set([...programs.flatMap(librariesOf), ...programs])].sort()
    return {
      roots,
      nodes: roots.map((path) => ({ path, narSizeBytes: 1_000_000, references: [] })),
    }
  },
  lease: async () => ({ directory: '/paper', release: async () => {} }),
}

/** One library that all have, one that every seventh and one that every thirtieth program has. */
function librariesOf(program: StorePath): readonly StorePath[] {
  const number = Number(storePathName(program).slice(1))
  return ['libc', `common-${number % 7}`, `rare-${number % 30}`].map(storePath)
}

function paperPacker(layerBytes: number): Packer {
  return {
    async pack(content, _compression, write) {
      const inside =
        content.kind === 'store-paths'
          ? content.paths.map(({ path }) => path)
          : content.entries.map(({ path }) => path)
      const bytes = Buffer.alloc(layerBytes, `${digestOf(inside.join('\n'))}\n`)
      await write(bytes, layerBytes)
      const diffId = digestOf(`archive of ${inside.join('\n')}`)
      return {
        digest: digestOf(bytes),
        sizeBytes: bytes.length,
        diffId,
        archiveSizeBytes: layerBytes,
      }
    },
    warmUp: () => {},
    prepare: async () => {},
  }
}

function storePath(name: string): StorePath {
  const number = BigInt(`0x${digestOf(name).slice(-24)}`)
  const path = parseStorePath(`/nix/store/${String(number).padStart(32, '0').slice(-32)}-${name}`)
  if (path === undefined) throw new Error(`${name} is no name of a store path`)
  return path
}
