import { join } from 'node:path'
import type { PackageSearchOptions } from '#adapters/package-search/package-search.ts'
import { formatPlatform } from '#core/nix/system.ts'
import type { Config } from './config.ts'

/** Where indexes of packages are, and what they are of. */
export function packageSearchSettings({
  policy,
  platforms,
  stateDirectory,
}: Config): Pick<PackageSearchOptions, 'directory' | 'platforms' | 'view'> {
  const { unfree, broken, insecure, allow, deny, allowedUris } = policy
  return {
    directory: join(stateDirectory, 'package-search'),
    platforms: platforms.map(formatPlatform),
    view: { policy: { unfree, broken, insecure, allow, deny, allowedUris } },
  }
}
